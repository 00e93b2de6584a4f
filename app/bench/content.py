"""What made-up commands say: configs of realistic size, and who writes them and why."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from domain.deployment_config import CreateDeploymentConfig, ExecutorConfig, ModelSpec, ToolCallConfig
from domain.principal import Principal

MODELS: Final = (
    "llama-3.1-8b-instruct",
    "llama-3.3-70b-instruct",
    "mixtral-8x22b",
    "nv-embedqa-e5-v5",
    "phi-4",
)
REASONS: Final = (
    None,
    None,
    "first rollout",
    "more replicas for the launch",
    "half the cost",
    "security patch of the base image",
    "longer context for the contracts team, as agreed on Tuesday",
)
_PEOPLE: Final = tuple(
    Principal(
        id=f"user-{number:03}", email=f"user-{number:03}@example.com", groups=("ml-platform", "everyone")
    )
    for number in range(200)
)
_PIPELINES: Final = tuple(
    Principal(id=f"service:pipeline-{number}", on_behalf_of=f"user-{number:03}") for number in range(20)
)


def principal(random: Random) -> Principal:
    """A person, or a pipeline on behalf of one."""
    return random.choice(_PEOPLE if random.random() < 0.8 else _PIPELINES)  # noqa: PLR2004


def reason(random: Random) -> str | None:
    """Why, where it is said."""
    return random.choice(REASONS)


def config_content(random: Random) -> dict[str, Any]:
    """What a version of a config says."""
    model = random.choice(MODELS)
    gpus = random.choice((1, 1, 1, 2, 4, 8))
    return {
        "description": f"{model} on {gpus} GPUs",
        "engine": random.choice(("nim", "vllm")),
        "model_spec": ModelSpec(
            model_type="embed" if "embed" in model else "llm",
            model_namespace="meta" if model.startswith("llama") else "nvidia",
            model_name=model,
            model_revision=f"{random.getrandbits(160):040x}",
            tool_call_config=ToolCallConfig(tool_call_parser="llama3_json", auto_tool_choice=True),
        ),
        "executor_config": ExecutorConfig(
            gpu=gpus,
            disk_size=f"{random.choice((50, 100, 200))}Gi",
            image_name="nvcr.io/nim/nvidia/llm-nim",
            image_tag=f"1.{random.randrange(20)}.{random.randrange(10)}",
            additional_envs={
                "NIM_MAX_MODEL_LEN": str(random.choice((8192, 32768, 131072))),
                "NIM_KVCACHE_PERCENT": str(random.randrange(50, 95)),
                "NIM_TENSOR_PARALLEL_SIZE": str(gpus),
                "VLLM_ATTENTION_BACKEND": "FLASH_ATTN",
            },
            additional_args=["--enable-prefix-caching", f"--max-num-seqs={random.choice((64, 128, 256))}"],
        ),
        "model_entity_id": None,
    }


def created_config(random: Random, workspace: str, name: str, identifier: str) -> CreateDeploymentConfig:
    """A command that creates a config."""
    return CreateDeploymentConfig(
        workspace=workspace,
        name=name,
        by=principal(random),
        reason=reason(random),
        id=identifier,
        project=None,
        **config_content(random),
    )
