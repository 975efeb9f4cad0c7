import asyncio
import base64
import hashlib
import io
import re
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from edgekit.devices import Classifier
from edgekit.serve.model import ServedModel
from tests.support.build import colour_model
from tests.support.hostile import split_inside_a_branch
from tests.support.images import encoded


def _bomb(width=60_000, height=60_000):
    """A PNG file that says it is huge, with next to nothing in it."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


# Answers.


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_names_what_is_in_an_image(served, kind):
    answer = served().post("/predict", content=encoded((9, 9, 220), kind)).json()
    assert [best["label"] for best in answer["predictions"]] == ["blue", "red", "green"]
    assert (
        answer["device"] == "cpu"
        and answer["reason"]
        and set(answer["latency_ms"])
        == {
            *("preprocess", "inference", "postprocess"),
        }
    )


def test_takes_a_form_as_browsers_and_curl_send_it(served):
    form = {"file": ("green.png", encoded(), "image/png")}
    answer = served().post("/predict?k=1", files=form, data={"note": "x"}).json()
    assert [best["label"] for best in answer["predictions"]] == ["green"]


def test_answers_many_at_once_rightly(served):
    client = served(workers=3, queue=100)
    colours = {"red": (220, 9, 9), "green": (9, 220, 9), "blue": (9, 9, 220)}
    names = [name for _ in range(20) for name in colours]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda name: client.post("/predict?k=1", content=encoded(colours[name])).json(), names)
        assert [answer["predictions"][0]["label"] for answer in answers] == names
    assert client.model.pending == 0


def test_says_what_it_serves(served):
    about = served(limit=5000).get("/model").json()
    assert about["name"] == "colours.tflite" and about["input"] == [8, 8, 3] and about["labels"] == 3
    assert about["limit"] == 5000 and about["device"] == "cpu"


def test_health_needs_no_token(served):
    assert served(token="secret").get("/health").json() == {"status": "ok", "device": "cpu", "pending": 0}


# What is refused, and that the next request works.


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"not an image", 415),
        (b"\x89PNG\r\n\x1a\n", 415),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415),
        (encoded(kind="JPEG", size=(200, 200))[:400], 415),
        (encoded(kind="PPM"), 415),
        (_bomb(), 415),
        (_bomb(9000, 9000), 415),
        (bytes(20_001), 413),
    ],
)
def test_what_is_no_image_is_refused_in_words(served, content, status):
    client = served(limit=20_000)
    answer = client.post("/predict", content=content)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message", "hint"} and "Traceback" not in answer.text
    assert client.post("/predict", content=encoded()).status_code == 200
    assert client.model.pending == 0


def test_a_body_without_a_length_is_counted_while_it_arrives(served):
    sent = []

    def endless():
        for _ in range(1000):
            sent.append(1)
            yield bytes(1000)

    assert served(limit=20_000).post("/predict", content=endless()).status_code == 413


def test_a_form_is_bounded_too(served):
    form = {"file": ("a.png", bytes(30_000), "image/png")}
    assert served(limit=20_000).post("/predict", files=form).status_code == 413


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\nz"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nz\r\n--x--\r\n'),
    ],
)
def test_forms_that_hold_no_file(served, kind, content):
    answer = served().post("/predict", content=content, headers={"content-type": kind})
    assert answer.status_code == 400 and answer.json()["error"] == "HTTPError"


@pytest.mark.parametrize("k", ["0", "-1", "1001", "many", "", "²", "9" * 5000])
def test_a_wrong_number_of_classes(served, k):
    answer = served().post("/predict", params={"k": k}, content=encoded())
    assert answer.status_code == 400 and "1 to 1000" in answer.json()["message"]


def test_other_paths_and_methods(served):
    client = served()
    assert client.get("/nothing").status_code == 404 and client.get("/predict").status_code == 405
    assert client.get("/../../etc/passwd").status_code == 404


def test_a_full_queue_says_when_to_come_back(served):
    client = served(workers=1, queue=1)
    client.model.take_place()
    client.model.take_place()
    answer = client.post("/predict", content=encoded())
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    client.model.free_place()
    assert client.post("/predict", content=encoded()).status_code == 200


# Who may ask.


@pytest.mark.parametrize("path", ["/model", "/metrics"])
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic secret", "secret", "Bearer sécret"])
def test_without_the_token_nothing_is_told(served, path, header):
    headers = {"authorization": header.encode("utf-8")} if header else {}
    answer = served(token="secret").get(path, headers=headers)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert "secret" not in answer.text


def test_the_token_opens(served):
    client = served(token="secret")
    headers = {"authorization": "Bearer secret"}
    assert client.get("/model", headers=headers).status_code == 200
    assert client.post("/predict", content=encoded(), headers=headers).status_code == 200
    assert client.post("/predict", content=encoded()).status_code == client.post("/reload").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8000"},
        {"origin": "http://[broken"},
    ],
)
def test_pages_of_other_sites_are_kept_out(served, headers):
    client = served()
    assert client.post("/reload", headers=headers).status_code == 403
    assert client.post("/predict", content=encoded(), headers=headers).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_is_let_in(served, host):
    assert served().get("/model", headers={"host": host, "origin": f"http://{host}"}).status_code == 200


# Metrics, reloading, the page.


def _samples(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_metrics_count_what_happened(served):
    client = served()
    for content in (encoded(), encoded(), b"nonsense", b""):
        client.post("/predict", content=content)
    found = _samples(client)
    for status, count in (("200", 2), ("415", 1), ("400", 1)):
        assert found["edgekit_requests_total", ("status", status)] == count
    assert found["edgekit_latency_seconds_count", ("part", "inference")] == 2
    assert 0 < found["edgekit_latency_seconds_sum", ("part", "inference")] < 5
    assert found[("edgekit_pending",)] == 0


def test_a_replaced_model_is_taken_up_on_request(served, model_file):
    client = served()
    model_file.write_bytes(colour_model(("rot", "grün", "blau")))
    assert client.post("/predict?k=1", content=encoded()).json()["predictions"][0]["label"] == "green"
    assert client.post("/reload").status_code == 200
    assert client.post("/predict?k=1", content=encoded()).json()["predictions"][0]["label"] == "grün"


def test_a_broken_replacement_leaves_the_old_model(served, model_file):
    client = served()
    model_file.write_bytes(b"TFL3 but no more")
    refused = client.post("/reload")
    assert refused.status_code == 500 and refused.json()["error"] == "ModelFormatError"
    assert client.post("/predict?k=1", content=encoded()).json()["predictions"][0]["label"] == "green"


def test_a_replacement_that_ends_its_process_leaves_server_and_model(served, model_file):
    client = served()
    model_file.write_bytes(split_inside_a_branch())
    refused = client.post("/reload")
    assert refused.status_code == 500 and "ends the process that runs it" in refused.json()["message"]
    assert client.post("/predict?k=1", content=encoded()).json()["predictions"][0]["label"] == "green"


def test_the_page_loads_nothing_and_its_policy_lets_it_run(served):
    answer = served(token="secret").get("/")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", answer.text) and "style=" not in answer.text
    assert "secret" not in answer.text


def test_an_upright_image_is_what_cameras_mean(served):
    """The orientation tag is heeded over HTTP too."""
    stream, image = io.BytesIO(), Image.new("RGB", (16, 16), (220, 9, 9))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(stream, "JPEG", exif=exif)
    assert served().post("/predict?k=1", content=stream.getvalue()).json()["predictions"][0]["label"] == "red"


def test_reloads_at_the_same_time_do_not_wait_for_each_other_forever(model_file):
    model = ServedModel(lambda: Classifier(model_file, threads=1), workers=4, queue=0)
    submit = model._pool.submit

    def slowly(function):
        time.sleep(0.01)  # lets the workers of two reloads mix, where nothing keeps them apart
        return submit(function)

    model._pool.submit = slowly

    async def both():
        return await asyncio.wait_for(asyncio.gather(model.reload(), model.reload()), 30)

    asyncio.run(both())
    model.close()


def test_images_that_arrive_are_bounded_together(served):
    client = served(workers=1, queue=0, limit=300)
    with client.app.state.arrivals.share() as count:
        count(250)
        answer = client.post("/predict", content=encoded())
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    assert client.post("/predict", content=encoded()).status_code == 200
