"""The run browser over HTTP, as a browser asks it."""

import http.client
import re
import signal
import subprocess
import sys
import threading
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from hamilton import ad_hoc_utils, driver
from hamilton.io.materialization import to
from hamilton.plugins.h_experiments import ExperimentTracker
from hamilton.runs.server import RunServer

NASTY = "<script>alert(1)</script>\"'&"
FLOW = """
def score(x: int) -> float:
    return x / 4

def text(x: int) -> str:
    return "a,b"

def broken(name: str) -> int:
    raise ValueError(name)
"""


@pytest.fixture
def base(tmp_path):
    """Three runs of two experiments: x = 1, x = 3, and one that failed."""
    module = ad_hoc_utils.module_from_source(FLOW)
    for name, outputs, inputs in (
        ("good", ["score"], {"x": 1}),
        ("good", ["score"], {"x": 3, "only": "here"}),
        ("bad & ugly", ["broken"], {"name": NASTY, NASTY: 1}),
    ):
        tracker = ExperimentTracker(name, tmp_path / "runs")
        dr = driver.Builder().with_modules(module).with_adapters(tracker).build()
        savers = [
            to.file(id="kept", dependencies=["text"], path="out/table 1.csv"),
            to.file(id="page", dependencies=["text"], path="page.html"),
        ]
        if outputs == ["broken"]:
            with pytest.raises(ValueError, match="alert"):
                dr.execute(outputs, inputs=inputs)
        else:
            dr.materialize(*savers, additional_vars=outputs, inputs=inputs)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path / "runs"


@pytest.fixture
def ask(base):
    with RunServer(base, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def get(path, host=None, method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request(method, path, headers={"Host": host} if host else {})
            response = connection.getresponse()
            body = response.read().decode()
            connection.close()
            return response, body

        yield get
        server.shutdown()
        thread.join()


class Page(HTMLParser):
    """What a browser makes of a page: its elements, links and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [v for k, v in attributes if k in ("href", "src", "action")]
        assert not any(k.startswith("on") for k, _ in attributes)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


def folders(base, experiment):
    return sorted((p for p in (base / experiment).iterdir()), key=lambda p: p.stat().st_ctime)


def test_the_list_shows_runs_by_experiment_sorted_by_any_column(ask):
    response, body = ask("/")
    assert response.status == 200
    everything = Page(body)
    assert everything.tags.count("tr") == 4
    assert "bad & ugly" in everything.text
    _, body = ask("/?experiment=good&sort=metric%3Ascore&order=desc")
    assert re.findall(r">(0\.\d+)</td>", body) == ["0.75", "0.25"]
    _, body = ask("/?experiment=good&sort=parameter%3Ax&order=asc")
    assert re.findall(r">(0\.\d+)</td>", body) == ["0.25", "0.75"]
    _, body = ask("/?experiment=nothing")
    assert "no runs here yet" in body


def test_a_run_shows_parameters_metrics_graph_and_files(ask, base):
    run = folders(base, "good")[1]
    response, body = ask(f"/run/good/{run.name}")
    page = Page(body)
    assert response.status == 200
    for word in ("succeeded", "only", "here", "score", "0.75", "out/table 1.csv"):
        assert word in page.text
    picture = f"/file/good/{run.name}/graph.svg"
    assert picture in page.links
    response, body = ask(picture)
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert "<svg" in body
    response, body = ask(f"/file/good/{run.name}/out/table%201.csv")
    assert body == "a,b"
    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.headers["Content-Disposition"] is None


def test_every_link_leads_somewhere_on_this_server(ask, base):
    waiting, seen = ["/"], set()
    while waiting:
        link = waiting.pop()
        seen.add(link)
        response, body = ask(link)
        assert response.status == 200, link
        assert link.startswith("/")
        if response.headers["Content-Disposition"] == "attachment":
            assert "page.html" in link
        elif response.headers["Content-Type"].startswith("text/html"):
            waiting += [found for found in Page(body).links if found not in seen]
    assert len(seen) > 10


def test_what_a_run_says_is_never_markup(ask, base):
    (run,) = folders(base, "bad & ugly")
    _, body = ask(f"/run/bad%20%26%20ugly/{run.name}")
    page = Page(body)
    assert "script" not in page.tags
    assert NASTY in page.text
    assert "ValueError" in page.text
    key = quote(f"{run.parent.name}/{run.name}")
    for path in ("/", f"/compare?run={key}&run={key}"):
        _, body = ask(path)
        assert "script" not in Page(body).tags
        assert "alert" in body


def test_pages_forbid_scripts_and_files_are_boxed_in(ask, base):
    response, _ = ask("/")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    run = folders(base, "good")[0]
    response, _ = ask(f"/file/good/{run.name}/page.html")
    assert response.headers["Content-Disposition"] == "attachment"
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_runs_are_compared_with_what_differs_marked(ask, base):
    one, two = folders(base, "good")
    _, body = ask(f"/compare?run=good/{one.name}&run=good/{two.name}")
    marked = re.findall(r'<tr class="differs"><th scope="row">([^<]*)', body)
    assert marked == ["score", "x", "only"]
    _, body = ask(f"/compare?run=good/{one.name}")
    assert "two runs or more" in body
    assert ask("/compare?run=good/none")[0].status == 404


def test_only_files_of_runs_are_served(ask, base):
    run = folders(base, "good")[0]
    (run / "out" / "link").symlink_to(base.parent / "secret.txt")
    (base / "escape").mkdir()
    (base / "escape" / "run").symlink_to(run)
    for path in (
        f"/file/good/{run.name}/../../../secret.txt",
        f"/file/good/{run.name}/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        f"/file/good/{run.name}/..%2f..%2f..%2fsecret.txt",
        f"/file/good/{run.name}/out/link",
        f"/file/good/{run.name}/out",
        f"/file/good/{run.name}/%00",
        f"/file/good/{run.name}//etc/passwd",
        f"/run/../runs/good/{run.name}",
        f"/run/..%2fruns%2fgood/{run.name}",
        "/run/escape/run",
        "/run/good/none",
        "/nothing",
    ):
        response, body = ask(path)
        assert response.status == 404, path
        assert "secret" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "["])
def test_requests_for_other_hosts_are_refused(ask, host):
    response, body = ask("/", host=host)
    assert response.status == 421
    assert "good" not in body


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1", "[::1]:8241"])
def test_requests_for_this_machine_are_answered(ask, host):
    assert ask("/", host=host)[0].status == 200


def test_head_has_no_body_and_nothing_can_be_written(ask):
    response, body = ask("/", method="HEAD")
    assert (response.status, body) == (200, "")
    assert int(response.headers["Content-Length"]) > 0
    assert ask("/", method="POST")[0].status == 501


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped(base):
    command = [sys.executable, "-m", "hamilton.cli", "ui", str(base), "--port", "0", "--no-open"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            said = process.stderr.readline()
            port = int(re.search(r"127\.0\.0\.1:(\d+)/", said)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/style.css")
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"http://127.0.0.1:{port}/" in output


def test_the_command_needs_a_folder_of_runs(tmp_path, capsys):
    from hamilton.cli.main import main

    assert main(["ui", str(tmp_path / "none"), "--no-open"]) == 1
    assert "There is no folder" in capsys.readouterr().err
