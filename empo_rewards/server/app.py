"""The routes of the HTTP server, as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from empo_rewards._version import __version__
from empo_rewards.errors import EmpoError, GroupError
from empo_rewards.gather import GatherConflictError, GatherFullError, GatherScoreError, GatherSizeError, Member
from empo_rewards.gather.samples import SampleReward
from empo_rewards.server import openrlhf
from empo_rewards.server.access import CLIENT, HOLDING, MAX_ID, AccessControl, refusal
from empo_rewards.server.bodies import encode, finite, read_body, unless_gone
from empo_rewards.server.browser import DATA, HEADERS, LOGIN, MAX_LOGIN_BYTES, BrowserAccess
from empo_rewards.server.connections import TOO_MANY
from empo_rewards.server.errors import CallerGoneError, RequestError
from empo_rewards.server.report import GroupReport
from empo_rewards.server.schemas import (
    GROUPS_SCHEMA,
    MAX_GROUP_SIZE,
    PARAMETERS,
    REWARD_DOCUMENTATION,
    MemberBody,
    json_content,
    problems,
    read_member,
)
from empo_rewards.server.service import Phase, RunGroup, Service

MAX_GROUP_ID = 1_024
"""Characters of a group's id, which is kept with the group."""

UNDECODED = "\N{REPLACEMENT CHARACTER}"
"""What any byte of a path that is not UTF-8 has become: different ids would be one."""

REWARD_PATHS: dict[str, Phase] = {"/get_reward": "training", "/eval/get_reward": "evaluation"}


class _RewardRoutes:
    """OpenRLHF's routes; everything else goes to FastAPI.

    Plain ASGI: there is one request per sample, and FastAPI's own work would double its cost.
    """

    def __init__(self, app: FastAPI, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        phase = REWARD_PATHS.get(scope["path"]) if scope["type"] == "http" else None
        if phase is None:
            await self._app(scope, receive, send)
            return
        try:
            if scope["method"] != "POST":
                raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "this path takes POST only")
            response = await self._rewards(phase, scope, receive)
        except (EmpoError, CallerGoneError) as error:
            response = _answer_to(error, scope)
        except Exception as error:
            await _answer_to(error, scope)(scope, receive, send)
            raise  # uvicorn logs its traceback, as for FastAPI's routes
        await response(scope, receive, send)

    async def _rewards(self, phase: Phase, scope: Scope, receive: Receive) -> Response:
        service = self._service
        body = await read_body(receive, service.settings.max_body_bytes, scope[HOLDING].take)
        size, run = _group_size(scope), _run(scope)
        submission = await service.read(openrlhf.read_submission, body)
        del body
        scope[HOLDING].release()  # the samples are counted from here on
        service.whole_queries(submission.whole_queries)
        rewarding = service.reward(phase, submission.samples, size, run, scope[CLIENT])
        results = await unless_gone(receive, rewarding)
        answer = openrlhf.answer(submission, results, service.settings.scores)
        if (why := self._unscored(results)) is not None:
            answer["detail"] = why
        return Response(encode(answer), media_type="application/json")

    def _unscored(self, results: list[SampleReward]) -> str | None:
        """Why samples have no reward of their own, for those who read the traffic; the trainer ignores it."""
        unscored = [result.score for result in results if not result.scored]
        if not unscored:
            return None
        first = f"{unscored[0].cause.value}: {unscored[0].detail}" if unscored[0].cause else "no reward of its own"
        return " ".join(filter(None, (f"{len(unscored)} unscored; {first}.", self._service.diagnosis())))


class _Endpoints:
    """The other routes: FastAPI's endpoint functions."""

    def __init__(self, service: Service, crowded: Callable[[], bool]) -> None:
        self._service, self._crowded = service, crowded

    async def score(self, request: Request) -> Response:
        """Score whole groups: one, or several under `groups`. Answers the fields of GroupScore, or them under `scores`.

        A reward of null means no signal: `status` and `cause` say why.
        """
        groups = await self._service.pack(await self._body(request))  # as large as the body, and counted as that
        answer = await unless_gone(request.receive, self._service.score(groups))
        return Response(answer, media_type="application/json")

    async def submit(self, request: Request, group_id: str, member: str) -> Response:
        """Submit one member of a group, and wait for the group. Sent again, it joins its first request.

        A group id stands for one group, once: put the training step into it. Another text or prompt under the same ids
        is a conflict (409).
        """
        key, number = _ids(request, group_id, member)
        sample, size = await self._service.read(read_member, await self._body(request))
        size = _group_size(request.scope, size)
        request.scope[HOLDING].release()  # the sample is counted from here on
        submitting = self._service.submit(key, number, sample, size, request.scope[CLIENT])
        result = await unless_gone(request.receive, submitting)
        return _json(_member_answer(result, self._service.diagnosis()))

    async def forget(self, request: Request, group_id: str, member: str) -> Response:
        """Report that a member will not come: its group does not wait for it, and is incomplete."""
        key, number = _ids(request, group_id, member)
        size = _group_size(request.scope)
        return _json({"forgotten": self._service.forget(key, number, size, request.scope[CLIENT])})

    async def health(self) -> Response:
        """Whether the process is alive."""
        return _json({"status": "ok", "version": __version__})

    async def ready(self) -> Response:
        """Whether it takes another group, and why groups keep ending short, where that is known."""
        if self._service.stopping:
            return _json({"status": "stopping"}, HTTPStatus.SERVICE_UNAVAILABLE)
        if (why := TOO_MANY if self._crowded() else self._service.full()) is not None:
            return _json({"status": "full", "detail": why}, HTTPStatus.SERVICE_UNAVAILABLE)
        return _json({"status": "ok", "diagnosis": self._service.diagnosis()})

    async def metrics(self) -> Response:
        """The metrics, in Prometheus' text format."""
        return Response(generate_latest(self._service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _body(self, request: Request) -> bytes:
        return await read_body(request.receive, self._service.settings.max_body_bytes, request.scope[HOLDING].take)


class _Pages:
    """The report, and a browser's way to it."""

    def __init__(self, report: GroupReport, browser: BrowserAccess) -> None:
        self._report, self._browser = report, browser

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_api_route("/", self.page, methods=["GET"], include_in_schema=False)
        app.add_api_route(LOGIN, self.log_in, methods=["POST"], include_in_schema=False)
        for path in DATA:
            app.add_api_route(path, self.data, methods=["GET"], include_in_schema=False)

    async def page(self, request: Request) -> Response:
        """The page, which asks for its data."""
        self._check(request)
        page = self._browser.page(request.headers.get("if-none-match"))
        request.scope[HOLDING].take(len(page.body))
        return page

    async def data(self, request: Request) -> Response:
        """The index or one group, as JSON."""
        self._check(request)
        asking = self._report.answer(f"{request.url.path}?{request.url.query}")
        answer = await unless_gone(request.receive, asking)
        if answer.status is HTTPStatus.NOT_FOUND:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        request.scope[HOLDING].take(len(answer.body))  # slow readers must not hold more than there is room for
        return Response(answer.body, answer.status, {**HEADERS, "cache-control": "no-store"}, "application/json")

    async def log_in(self, request: Request) -> Response:
        """The cookie, for who shows the key."""
        return self._browser.log_in(await read_body(request.receive, MAX_LOGIN_BYTES, request.scope[HOLDING].take))

    def _check(self, request: Request) -> None:
        if not self._browser.from_here(request.headers.get("host", "")):
            raise HTTPException(HTTPStatus.NOT_FOUND)


def create_app(service: Service, crowded: Callable[[], bool] = lambda: False, host: str = "127.0.0.1") -> ASGIApp:
    """The ASGI application over a service.

    Args:
        service: the service.
        crowded: whether there are too many connections to take in more.
        host: where it listens.
    """
    browser = None if service.report is None else BrowserAccess(service.settings.api_key, host)
    about = "Label-free rewards from semantic entropy."
    app = FastAPI(title="empo_rewards", version=__version__, description=about, redirect_slashes=False)
    endpoints = _Endpoints(service, crowded)
    member_path = "/v1/groups/{group_id:path}/members/{member}"
    said = {"parameters": PARAMETERS}
    member_body = _takes(MemberBody.model_json_schema())
    app.add_api_route("/score", endpoints.score, methods=["POST"], openapi_extra=_takes(GROUPS_SCHEMA))
    app.add_api_route(member_path, endpoints.submit, methods=["PUT"], openapi_extra={**said, **member_body})
    app.add_api_route(member_path, endpoints.submit, methods=["POST"], include_in_schema=False)
    app.add_api_route(member_path, endpoints.forget, methods=["DELETE"], openapi_extra=said)
    for path, endpoint in (
        ("/health", endpoints.health),
        ("/ready", endpoints.ready),
        ("/metrics", endpoints.metrics),
    ):
        app.add_api_route(path, endpoint, methods=["GET"])
    if service.report is not None and browser is not None:
        _Pages(service.report, browser).add_to(app)
    for kind in (EmpoError, HTTPException, RequestValidationError, CallerGoneError, Exception):
        app.add_exception_handler(kind, _refused)
    _describe(app)
    return AccessControl(_RewardRoutes(app, service), service, crowded, browser)


_STATUS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], HTTPStatus, bool], ...] = (
    (GatherFullError, HTTPStatus.TOO_MANY_REQUESTS, True),
    (GatherConflictError, HTTPStatus.CONFLICT, False),
    ((GroupError, GatherSizeError), HTTPStatus.UNPROCESSABLE_ENTITY, False),
    (EmpoError, HTTPStatus.SERVICE_UNAVAILABLE, True),
)
"""HTTP status by error class, the first that matches, and whether the same request may succeed later."""


async def _refused(request: Request, error: Exception) -> Response:
    return _answer_to(error, request.scope)


def _answer_to(error: Exception, scope: Scope) -> Response:
    if isinstance(error, CallerGoneError):
        return Response(status_code=499)  # nobody reads it; the number is nginx's, for the counts
    return refusal(scope, _as_request_error(error))


def _as_request_error(error: Exception) -> RequestError:
    """An exception as the error that the caller is told."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HTTPException):
        return RequestError(error.status_code, str(error.detail))
    if isinstance(error, RequestValidationError):
        return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, problems(error.errors()))
    is_no_group = isinstance(error, GatherScoreError) and isinstance(error.__cause__, GroupError)
    for kinds, status, retry in _STATUS:
        if isinstance(error.__cause__ if is_no_group else error, kinds):
            return RequestError(status, str(error), retry=retry)
    return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault in the server; its log has the traceback")


def _group_size(scope: Scope, in_body: int | None = None) -> int | None:
    """The group size in the query parameter `group_size`, the header `X-Group-Size`, or the body; None: in none.

    Raises:
        RequestError: 422, it is not a number from 1 to `MAX_GROUP_SIZE`, or there are several.
    """
    given = _parameter(scope, "group_size", b"x-group-size", None if in_body is None else str(in_body))
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= 5 and 1 <= int(given) <= MAX_GROUP_SIZE):
        why = f"group_size must be a number from 1 to {MAX_GROUP_SIZE}, not {given[:20]!r}"
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, why)
    return int(given)


def _run(scope: Scope) -> str | None:
    """The name of the client's run: the query parameter `run` or the header `X-Run`; None where neither is given.

    Raises:
        RequestError: 422, it is empty or longer than `MAX_ID`, or there are several.
    """
    given = _parameter(scope, "run", b"x-run")
    if given is not None and not 1 <= len(given) <= MAX_ID:
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"run must have from 1 to {MAX_ID} characters")
    return given


def _parameter(scope: Scope, name: str, header: bytes, in_body: str | None = None) -> str | None:
    """What a request says under one name, wherever it says it; None: nothing.

    Raises:
        RequestError: 422, it says several things, or what is not UTF-8: two names must not be read as one.
    """
    try:
        given = {value.decode() for key, value in scope["headers"] if key == header}
        if scope["query_string"]:
            query = parse_qs(scope["query_string"].decode(), keep_blank_values=True, errors="strict")
            given.update(query.get(name, ()))
    except UnicodeDecodeError as error:
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: the query or header is not UTF-8") from error
    if in_body is not None:
        given.add(in_body)
    if len(given) > 1:
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} is given more than once, and differs")
    return next(iter(given), None)


def _ids(request: Request, group_id: str, member: str) -> tuple[RunGroup, Member]:
    """The ids in the path of a member, of the client's run.

    Raises:
        RequestError: 422, one of them is too long or not UTF-8, or the path could be read in two ways.
    """
    for name, text, most in (("group", group_id, MAX_GROUP_ID), ("member", member, MAX_ID)):
        if len(text) > most:
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"a {name}'s id has at most {most} characters")
        if UNDECODED in text:
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the {name}'s id is not UTF-8")
    if unquote(request.scope["raw_path"].rpartition(b"/")[2].decode("ascii")) != member:
        raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "a member's id must not have a slash")
    return RunGroup(_run(request.scope), group_id), _member(member)


def _member(text: str) -> Member:
    """A member's id; one that is written as a number is that number, so that members are sorted by value."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= 18 and str(int(text)) == text
    return int(text) if is_number else text


def _member_answer(result: SampleReward, diagnosis: str | None) -> dict[str, Any]:
    """The response body for one member: its own values, and those of its group."""
    score, position = result.score, result.position
    return {
        "reward": result.reward if result.scored else None,
        "neutral": None if result.scored else result.reward,
        "trained": result.trained,
        "correct": result.correct,
        "answer": None if position is None else score.answers[position].text,
        "cluster": None if position is None or not score.clusters else score.clusters[position],
        "group": {
            "id": score.id,
            "size": score.size,
            "expected_size": score.expected_size,
            "status": score.status.value,
            "cause": score.cause and score.cause.value,
            "detail": score.detail,
            "entropy": score.entropy,
            "cluster_shares": score.cluster_shares,
            "advantage_scale": score.advantage_scale,
            "advantage_shift": score.advantage_shift,
            "metrics": dict(score.metrics),
        },
        "diagnosis": None if result.scored else diagnosis,
    }


def _json(value: object, status: int = HTTPStatus.OK) -> Response:
    return Response(encode(finite(value)), status, media_type="application/json")


def _takes(schema: dict[str, Any]) -> dict[str, Any]:
    """A route's OpenAPI description of its request body."""
    return {"requestBody": {"required": True, **json_content(schema)}}


def _describe(app: FastAPI) -> None:
    """Add the reward paths, which FastAPI does not route, to its OpenAPI description."""
    without = app.openapi

    def openapi() -> dict[str, Any]:
        schema = without()
        for path, phase in REWARD_PATHS.items():
            schema["paths"][path] = {"post": {**REWARD_DOCUMENTATION, "summary": f"OpenRLHF's reward: {phase}"}}
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # how FastAPI's manual does it
