"""What a test asks of an answer."""

import httpx


def slug(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return str(problem["type"]).removeprefix("/v1/problem-types/")


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert slug(answer) == "invalid-request"
    return [error["pointer"] for error in answer.json()["errors"]]
