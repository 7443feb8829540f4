"""The service on a toy: right answers, right refusals, and no request lost when the model changes."""

import base64
import gc
import io
import json
import os
import socket
import threading
import time
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from PIL import Image

import plates
from plates.errors import UserError
from plates.predict.picture import Picture
from plates.serve import app as service
from plates.serve import batches, follow
from plates.serve.options import Options
from plates.serve.seen import ENOUGH, FILE

Boxes = dict[Path, tuple[float, float, float, float]]
JPEG = {"content-type": "image/jpeg"}


@pytest.fixture(scope="module")
def model(exported: Path) -> plates.Model:
    return plates.load(exported)


@pytest.fixture(scope="module")
def photographs(toy_photographs: Boxes) -> list[bytes]:
    return [file.read_bytes() for file in toy_photographs]


def started(model: plates.Model, **limits: object) -> TestClient:
    made = service.create(lambda: ("first", lambda: model), Options(**limits))
    return TestClient(made, base_url="http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(model: plates.Model) -> Iterator[TestClient]:
    with started(model, megabytes=0.2, megapixels=0.1, images=3) as client:
        yield client


def test_one_photograph_or_many_in_every_form(
    client: TestClient, model: plates.Model, photographs: list[bytes], toy_photographs: Boxes
) -> None:
    expected = [result.to_dict()["detections"] for result in model.predict(list(toy_photographs)[:3])]
    one = client.post("/predict", content=photographs[0], headers=JPEG).json()
    assert one["model"] == "first"
    assert one["results"][0]["detections"] == expected[0]
    files = [("photographs", (f"{number}.jpg", content)) for number, content in enumerate(photographs[:3])]
    many = client.post("/predict", files=files).json()["results"]
    assert [found["detections"] for found in many] == expected
    assert [found["image"] for found in many] == ["0.jpg", "1.jpg", "2.jpg"]
    coded = [base64.b64encode(content).decode() for content in photographs[:2]]
    assert [found["detections"] for found in client.post("/predict", json={"images": coded}).json()["results"]] == (
        expected[:2]
    )
    fewer = client.post("/predict?score=0.99", content=photographs[0], headers=JPEG).json()["results"][0]
    assert all(found["score"] >= 0.99 for found in fewer["detections"])


def test_a_damaged_photograph_does_not_keep_the_others_from_an_answer(
    client: TestClient, photographs: list[bytes]
) -> None:
    files = [("p", ("a.jpg", photographs[0])), ("p", ("b.jpg", photographs[1][:-300])), ("p", ("c.jpg", b"text"))]
    first, second, third = client.post("/predict", files=files).json()["results"]
    assert first["detections"]
    assert "b.jpg is damaged" in second["error"]
    assert "c.jpg is not a picture" in third["error"]


@pytest.mark.parametrize("sent", [slice(-300), slice(3000)])
def test_a_damaged_photograph_alone_is_refused(client: TestClient, photographs: list[bytes], sent: slice) -> None:
    answer = client.post("/predict", content=photographs[0][sent], headers=JPEG)
    assert answer.status_code == 422
    assert "photograph is damaged" in answer.json()["detail"]


def large() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"content": b"text", "headers": JPEG}, 422, "is not a picture"),
        ({"content": b"", "headers": JPEG}, 422, "no photograph"),
        ({"content": b"\0" * 300_000, "headers": JPEG}, 413, "a request may have 0.2 MB"),
        ({"content": (b"\0" * 50_000 for _ in range(6)), "headers": JPEG}, 413, "a request may have 0.2 MB"),
        ({"content": large(), "headers": JPEG}, 413, "megapixels, over 0.1"),
        ({"content": b"a", "headers": {"content-type": "text/plain"}}, 415, "is not supported"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "the JSON is not"),
        ({"json": {"images": ["not base64!"]}}, 400, "the JSON is not"),
        ({"json": {"images": []}}, 422, "no photograph"),
        ({"json": {"images": ["AAAA"] * 4}}, 413, "4 photographs; a request may have at most 3"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 422, "no photograph"),
    ],
)
def test_a_bad_request_is_refused_in_words(client: TestClient, sent: dict, status: int, said: str) -> None:
    answer = client.post("/predict", **sent)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert client.get("/healthz").json() == {"status": "ok"}


def test_what_is_hidden_comes_back_as_the_same_kind(client: TestClient, photographs: list[bytes]) -> None:
    answer = client.post("/hide?style=fill&margin=0.2", content=photographs[0], headers=JPEG)
    assert answer.headers["content-type"] == "image/jpeg"
    assert int(answer.headers["x-plates-hidden"]) >= 1
    with Image.open(io.BytesIO(answer.content)) as hidden, Image.open(io.BytesIO(photographs[0])) as old:
        assert hidden.size == old.size
        assert np.abs(np.asarray(hidden).astype(int) - np.asarray(old)).max() > 60
    assert client.post("/hide?style=paint", content=photographs[0], headers=JPEG).status_code == 422


def test_metadata_and_metrics_say_what_went_on(model: plates.Model, photographs: list[bytes]) -> None:
    with started(model) as client:
        for content in photographs[:4]:
            client.post("/predict", content=content, headers=JPEG)
        client.post("/predict", content=b"text", headers=JPEG)
        said = client.get("/metadata").json()
        assert said["label_map"] == {"1": "plate"}
        assert said["seen"]["photographs"] == 4
        assert said["seen"]["empty"] == 0
        assert 0 < said["seen"]["height"][1] < 1
        text = client.get("/metrics").text
    assert 'plates_requests_total{path="/predict",status="200"} 4.0' in text
    assert 'plates_requests_total{path="/predict",status="422"} 1.0' in text
    assert "plates_images_total 4.0" in text


def test_a_key_is_asked_for_where_one_is_set(model: plates.Model, photographs: list[bytes]) -> None:
    with started(model, key="sécret") as client:
        assert client.post("/predict", content=photographs[0], headers=JPEG).status_code == 401
        wrong = {**JPEG, "authorization": "Bearer wrong"}
        assert client.post("/predict", content=photographs[0], headers=wrong).status_code == 401
        for scheme in ("Bearer", "bearer"):
            right = {**JPEG, "authorization": f"{scheme} sécret".encode()}
            assert client.post("/predict", content=photographs[0], headers=right).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_another_host_name_is_refused(client: TestClient) -> None:
    assert client.get("/healthz", headers={"host": "elsewhere.example"}).status_code == 400


def test_a_client_that_goes_away_disturbs_nobody(model: plates.Model, photographs: list[bytes]) -> None:
    made = service.create(lambda: ("first", lambda: Slow(model._network, model.path)), Options())
    server = uvicorn.Server(uvicorn.Config(made, port=0, log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    content = photographs[0]
    lines = ("POST /predict HTTP/1.1", "Host: localhost", "Content-Type: image/jpeg", f"Content-Length: {len(content)}")
    head = "\r\n".join((*lines, "", ""))
    for sent in (content[:100], content):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head.encode() + sent)
            time.sleep(0.1)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", content, JPEG)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    deadline = time.monotonic() + 60
    while 'path="/predict",status="499"} 1.0' not in text(port):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    server.should_exit = True
    thread.join()


def text(port: int) -> str:
    """What the service says to Prometheus."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return str(answer.read().decode())


class Slow(plates.Model):
    """Takes a moment for each batch."""

    def answers(self, ready, least):
        time.sleep(0.2)
        return super().answers(ready, least)


class Failing(plates.Model):
    """Fails once."""

    failed = False

    def answers(self, ready, least):
        if not self.failed:
            self.failed = True
            raise RuntimeError("out of memory")
        return super().answers(ready, least)


def test_a_network_that_fails_leaves_the_service_up(model: plates.Model, photographs: list[bytes]) -> None:
    with started(Failing(model._network, model.path)) as client:
        statuses = [client.post("/predict", content=photographs[0], headers=JPEG).status_code for _ in range(3)]
        assert statuses == [500, 200, 200]
        assert 'plates_requests_total{path="/predict",status="500"} 1.0' in client.get("/metrics").text


class Held(plates.Model):
    """Answers nothing before it is let go."""

    def __init__(self, model: plates.Model) -> None:
        super().__init__(model._network, model.path)
        self.free = threading.Event()

    def answers(self, ready, least):
        self.free.wait()
        return super().answers(ready, least)


def test_what_waits_is_answered_together(
    model: plates.Model, photographs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    sizes: list[int] = []
    held = Held(model)
    made = batches.Batches(held, 2, lambda batch: sizes.append(len(batch)))
    damaged = made.submit(Picture(photographs[0][:3000], "it"), 0.1)
    given = list(zip(photographs[:5], (0.1, 0.9, 0.1, 0.1, 0.1), strict=True))
    answers = [made.submit(Picture(content, "it"), least) for content, least in given]
    held.free.set()
    made.close()
    assert sum(sizes) == 5
    assert max(sizes) == 2
    assert isinstance(damaged.exception(), UserError)
    for (content, least), answer in zip(given, answers, strict=True):
        (expected,) = model.predict(content, score=least)
        np.testing.assert_allclose(answer.result().xyxy, expected.xyxy, atol=1e-3)


def test_a_damaged_photograph_keeps_none_of_its_batch_in_memory(model: plates.Model, photographs: list[bytes]) -> None:
    made = batches.Batches(model, 2, lambda batch: None)
    pictures = [Picture(content, "it") for content in (photographs[0], photographs[1][:3000])]
    kept = [weakref.ref(picture) for picture in pictures]
    gc.disable()
    try:
        answers = [made.submit(picture, 0.1) for picture in pictures]
        del pictures
        assert isinstance(answers[1].exception(), UserError)
        del answers
        made.close()
        assert [picture() for picture in kept] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(("cores", "shared"), [(1, (1, 1)), (2, (2, 1)), (12, (8, 1)), (64, (8, 8))])
def test_many_cores_work_together_rather_than_hold_many_batches(
    cores: int, shared: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert (batches.threads(), batches.cores_each()) == shared


def test_more_than_may_wait_are_told_to_try_again(model: plates.Model, photographs: list[bytes]) -> None:
    with started(Slow(model._network, model.path), waiting=2, batch=1) as client:
        statuses = in_parallel(client, photographs[0], 8)
        assert set(statuses) == {200, 503}
        assert client.post("/predict", content=photographs[0], headers=JPEG).status_code == 200
        files = [("images", (f"{number}.jpg", photographs[0], "image/jpeg")) for number in range(3)]
        refused = client.post("/predict", files=files)
        assert refused.status_code == 413, "three can never wait together"
        assert "at most 2" in refused.json()["detail"]


def test_the_new_champion_takes_over_without_a_lost_request(
    model: plates.Model, photographs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LOOK", 0.05)
    now = ["first", lambda: Slow(model._network, model.path)]
    made = service.create(lambda: (now[0], now[1]), Options())
    with TestClient(made, base_url="http://127.0.0.1") as client:
        answers: list[tuple[int, str]] = []

        def ask() -> None:
            for _ in range(4):
                answer = client.post("/predict", content=photographs[0], headers=JPEG)
                answers.append((answer.status_code, answer.json()["model"]))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        now[:] = ["second", lambda: model]
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * 16
        assert {name for _, name in answers} == {"first", "second"}

        def broken() -> plates.Model:
            raise UserError("the model is damaged")

        now[:] = ["third", broken]
        time.sleep(0.3)
        said = client.get("/metadata").json()
        assert (said["model"], said["trouble"]) == ("second", "the model is damaged")

        def gone() -> plates.Model:
            raise FileNotFoundError("models/champion.json")

        now[:] = ["fourth", gone]
        time.sleep(0.3)
        assert client.get("/metadata").json()["trouble"] == "FileNotFoundError: models/champion.json"
        now[:] = ["fifth", lambda: model]
        time.sleep(0.3)
        said = client.get("/metadata").json()
        assert (said["model"], said["trouble"]) == ("fifth", None)


def test_what_is_seen_is_compared_with_training_and_kept(
    model: plates.Model,
    photographs: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(follow, "LOOK", 0.05)
    given = list(islice(cycle(photographs), ENOUGH))
    now = ["first"]

    def learnt() -> Iterator[bytes]:
        yield from given
        raise UserError("the shard is gone")

    made = service.create(lambda: (now[0], lambda: model), Options(), learnt=learnt, scratch=tmp_path)
    with TestClient(made, base_url="http://127.0.0.1") as client:

        def waited(told: Callable[[dict[str, Any]], bool]) -> bool:
            until = time.monotonic() + 60
            while not told(client.get("/metadata").json()) and time.monotonic() < until:
                time.sleep(0.05)
            return told(client.get("/metadata").json())

        for content in given:
            assert client.post("/predict", content=content, headers=JPEG).status_code == 200
        assert waited(lambda said: said["seen"]["drift"] == [])
        time.sleep(0.3)
        now[0] = "second"
        assert waited(lambda said: said["model"] == "second")
        assert client.post("/predict", content=given[0], headers=JPEG).status_code == 200
    assert "the shard is gone" in caplog.text
    said = json.loads((tmp_path / FILE).read_text())
    assert (said["model"], said["photographs"], said["drift"]) == ("second", 1, None)


def test_what_is_seen_does_not_depend_on_the_score_that_is_asked_for(
    model: plates.Model, photographs: list[bytes]
) -> None:
    found = []
    for asked in ("", "?score=0.99", "?score=0"):
        with started(model) as client:
            for content in photographs[:3]:
                assert client.post(f"/predict{asked}", content=content, headers=JPEG).status_code == 200
            found.append(client.get("/metadata").json()["seen"])
    assert found[0]["photographs"] == 3
    assert found[0] == found[1] == found[2]


def in_parallel(client: TestClient, content: bytes, count: int) -> list[int]:
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(client.post("/predict", content=content, headers=JPEG).status_code)
        )
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses
