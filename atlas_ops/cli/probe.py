"""`atlas-ops probe`: sends one black-box request to a model server and says what came of it."""

from __future__ import annotations

import argparse
import math

from atlas_ops.errors import UsageError
from atlas_ops.exporter.probe.outcome import Outcome, Result
from atlas_ops.exporter.probe.prober import Prober
from atlas_ops.settings import Probe, url_problem
from atlas_ops.settings.addresses import shown
from atlas_ops.settings.servers import PROBE_APIS

_DESCRIPTION = """\
Send one small request to a model, as a user would, read the answer to its end, and say what came of it. The exporter
sends the same request again and again for each entry of `servers[].probes` in its settings.
"""
_EPILOG = """\
examples:
  atlas-ops probe --model llama-3.1-8b http://127.0.0.1:8000                     OpenAI's completions
  atlas-ops probe --api openai-chat --model llama-3.1-8b http://127.0.0.1:8000
  atlas-ops probe --api v2 --model resnet http://127.0.0.1:8000                  Triton, MLServer, OpenVINO, KServe
  atlas-ops probe --api torchserve --model cats --body-file cat.jpg http://127.0.0.1:8080
  atlas-ops probe --api bentoml --model Summary --path /summarize --body-file text.json http://127.0.0.1:3000

Without --body-file: OpenAI's APIs are asked for four tokens, v2 and tfserving for what the model's own metadata say, the
others get an empty JSON object. The request's User-Agent and X-Request-Id begin with atlas-ops-probe.

exit codes:
  0  answered to the end
  1  not answered, or not as it should be
  2  the command line is wrong, or the request could not be sent for a reason on this side
"""
_NEXT_STEPS = {
    Result.REFUSED: "is the server started, and has it loaded its model? Does it listen on this address?",
    Result.UNREACHABLE: "check the address, the way there (firewall, proxy, TLS), and the server's log for a crash",
    Result.UNAUTHORIZED: "give --bearer-token-file, or renew the token in it",
    Result.ERROR_STATUS: "404: compare --model and --path with what the server serves, and give the address without the "
    "path of the API; 429 or 503: it is overloaded or loading; else its log says more",
    Result.ERROR_IN_ANSWER: "read the server's log; overloaded LLM servers reject in this way, and no HTTP status or "
    "metric of theirs may show it",
    Result.TRUNCATED: "look for a crash or a restart of the server, and for a proxy on the way whose timeout is shorter",
    Result.EMPTY: "read the server's log; if the model only ended at once, give --body-file with another prompt",
    Result.GARBAGE: "compare --api and --path with what the server speaks; a web page comes from a proxy or a login before "
    "the server, so ask the server itself or give --bearer-token-file",
    Result.TIMEOUT: "look at its queue and at its GPUs (hung engine, overload), or give a longer --timeout",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    default = Probe(model="")
    parser = commands.add_parser(
        "probe",
        help="send one small request to a model server and say what came of it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", metavar="URL", help="address of the server's API, without a path")
    parser.add_argument("--model", required=True, metavar="NAME", help="the model, as the server knows it")
    parser.add_argument(
        "--api", choices=PROBE_APIS, default=default.api, help="how the request is written (default: %(default)s)"
    )
    parser.add_argument("--path", default="", help="where the request goes (default: the path of the API)")
    parser.add_argument("--body-file", default="", metavar="FILE", help="what is sent (default: see below)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=default.timeout_seconds,
        metavar="S",
        help="seconds for the whole answer (default: %(default)g)",
    )
    parser.add_argument("--bearer-token-file", default="", metavar="FILE", help="file that holds the token")


def run(args: argparse.Namespace) -> int:
    """Send the request."""
    _refuse_mistakes(args)
    prober = Prober(
        Probe(
            model=args.model,
            api=args.api,
            path=args.path,
            body_file=args.body_file,
            timeout_seconds=args.timeout,
            bearer_token_file=args.bearer_token_file,
        ),
        args.url,
    )
    outcome = prober.ask()
    if outcome.result is Result.NOT_SENT:
        raise UsageError(outcome.message, next_step="nothing was asked of the model; mend this and try again")
    print("\n".join(_report(prober.url, args, outcome)))
    return 0 if outcome.result is Result.OK else 1


def _refuse_mistakes(args: argparse.Namespace) -> None:
    problems = [url_problem(args.url)]
    if "?" in args.url or "#" in args.url:
        problems.append("URL has to end before the first ? or #; what comes after it belongs into --path")
    if args.path and not args.path.startswith("/"):
        problems.append(f"--path has to begin with a slash, found {args.path!r}")
    if args.api == "bentoml" and not args.path:
        problems.append("--api bentoml needs --path: endpoints are named after the methods of the service")
    if not 0 < args.timeout < math.inf:
        problems.append(f"--timeout has to be above 0, found {args.timeout:g}")
    found = [problem for problem in problems if problem]
    if found:
        raise UsageError("; ".join(found), next_step="see `atlas-ops probe --help`")


def _report(url: str, args: argparse.Namespace, outcome: Outcome) -> list[str]:
    first = outcome.first_token_seconds
    lines = [
        f"{args.model} at {shown(url)} ({args.api})",
        f"result       {outcome.result.value}{f': {outcome.message}' if outcome.message else ''}",
        f"first token  {'none was streamed' if first is None else f'{first:.3f} s'}",
        f"whole time   {outcome.seconds:.3f} s",
    ]
    if outcome.said:
        lines.append(f"server says  {outcome.said}")
    if outcome.result in _NEXT_STEPS:
        lines.append(f"  -> {_NEXT_STEPS[outcome.result]}")
    return lines
