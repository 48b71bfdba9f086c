"""The recording rules of autoscalers turn what others publish into signals, in a real promtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.render import autoscalers
from atlas_ops.settings import Settings
from atlas_ops.stage.processes import program

POD = 'k8s_namespace_name="chat", k8s_container_name="vllm", runtime="vllm", model="llama"'
SERIES = {
    # Two pods of a deployment, one of a stateful set that serves another model, and a bare host.
    f'atlas_requests_running{{{POD}, server="a", k8s_pod_name="llama-70b-7d9fcbd4b-x2xqz"}}': "1+0x10",
    f'atlas_requests_running{{{POD}, server="b", k8s_pod_name="llama-70b-7d9fcbd4b-p4qzz"}}': "1+0x10",
    'atlas_requests_waiting{k8s_namespace_name="chat", runtime="triton", model="rerank", k8s_pod_name="rerank-0"}': "0+0x10",
    'atlas_requests_running{runtime="vllm", model="bare", server="c"}': "1+0x10",
    # Told by two replicas of kube-state-metrics.
    **{
        f'{name}{{namespace="chat", horizontalpodautoscaler="{hpa}", instance="{instance}"{more}}}': f"{value}+0x60"
        for instance in ("ksm-0", "ksm-1")
        for hpa, target, figures in (("keda-hpa-llama", "llama-70b", (5, 8)), ("rerank", "rerank", (2, 2)))
        for name, value, more in (
            (
                "kube_horizontalpodautoscaler_info",
                1,
                f', scaletargetref_kind="Deployment", scaletargetref_name="{target}"',
            ),
            ("kube_horizontalpodautoscaler_status_desired_replicas", figures[0], ""),
            ("kube_horizontalpodautoscaler_spec_max_replicas", figures[1], ""),
        )
    },
    'kube_deployment_status_replicas_ready{namespace="chat", deployment="llama-70b"}': "2+0x60",
    'kube_deployment_status_replicas_ready{namespace="chat", deployment="unscaled"}': "3+0x60",
    'kube_statefulset_status_replicas_ready{namespace="chat", statefulset="rerank"}': "1+0x60",
    # KServe on Knative.
    'atlas_requests_total{k8s_namespace_name="ml", runtime="kserve", model="iris", outcome="ok", '
    'k8s_pod_name="iris-predictor-00002-deployment-5f6b7c8d9-abcde"}': "0+1x10",
    'kn_revision_pods_desired{k8s_namespace_name="ml", kn_revision_name="iris-predictor-00002"}': "4+0x60",
    'kn_revision_pods_count{k8s_namespace_name="ml", kn_revision_name="iris-predictor-00002"}': "3+0x60",
    # Ray Serve wants more than its bound allows.
    'ray_serve_autoscaling_desired_replicas{application="agent", deployment="Llm"}': "9+0x60",
    'ray_serve_autoscaling_target_replicas{application="agent", deployment="Llm"}': "6+0x60",
    **{
        f'ray_serve_deployment_replica_healthy{{application="agent", deployment="Llm", replica="{replica}"}}': "1+0x60"
        for replica in "abcd"
    },
}
LLAMA = {"runtime": "vllm", "model": "llama", "k8s_namespace_name": "chat"}
RERANK = {"runtime": "triton", "model": "rerank", "k8s_namespace_name": "chat"}
IRIS = {"runtime": "kserve", "model": "iris", "k8s_namespace_name": "ml"}
AGENT = {"runtime": "ray_serve", "model": "agent"}
WANTED = {
    "atlas_replicas_desired": [(LLAMA, 5), (RERANK, 2), (IRIS, 4), (AGENT, 6)],
    "atlas_replicas_maximum": [(LLAMA, 8), (RERANK, 2), (AGENT, 6)],
    "atlas_replicas_ready": [(LLAMA, 2), (RERANK, 1), (IRIS, 3), (AGENT, 4)],
}


def labelled(name: str, labels: dict[str, str]) -> str:
    inside = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


def test_figures_of_autoscalers_become_signals_of_the_models_in_their_pods_also_while_these_are_away(
    tmp_path: Path,
) -> None:
    (tmp_path / "rules.yaml").write_text(autoscalers.render(build_catalog(), Settings())[autoscalers.PATH])
    cases = [
        {
            "expr": name,
            "eval_time": time,
            "exp_samples": [{"labels": labelled(name, labels), "value": value} for labels, value in told],
        }
        for name, told in WANTED.items()
        for time in ("8m", "50m")  # at 50 minutes the servers have been away for 40
    ]
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in SERIES.items()],
        "promql_expr_test": cases,
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "15s", "tests": [test]}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", "cases.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
