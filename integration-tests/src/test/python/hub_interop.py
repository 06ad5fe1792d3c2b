#!/usr/bin/env python
"""Proves the test hub with the real huggingface_hub, and that both clients share one cache folder.

    python hub_interop.py CLASSPATH FOLDER ADAPTER [RECORD]

CLASSPATH: the test classes of transformers-lite, the classes of peft-java and what they need, as
`mvn dependency:build-classpath` prints it. FOLDER: a model folder, served as org/model. ADAPTER: a folder with `base` and
`adapter`. RECORD: where the result is written.

The Java program HubServer serves, HubDownload downloads, HubUpload uploads; they are in the tests of transformers-lite. Prints one
line per check. Exit status 0 if all are good.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import hub_uploads

PACKAGE = "org.peftjava.transformers.hub."
TOKEN = "hf_secret"


def main():
    classpath, folder, adapter = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    command = ["java", "-cp", classpath]
    server = subprocess.Popen([*command, PACKAGE + "HubServer", str(folder)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    try:
        endpoint = server.stdout.readline().strip()
        os.environ.update(HF_ENDPOINT=endpoint, HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1",
                          HF_HUB_OFFLINE="0", HF_HUB_DISABLE_XET="1", NO_PROXY="127.0.0.1,localhost")
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["HF_HOME"] = scratch + "/home"
            session = Session(server, endpoint, command, folder, Path(scratch))
            run(session)
            hub_uploads.run(session, adapter)
            checks = session.checks
    finally:
        server.stdin.close()
        server.wait()
    import huggingface_hub

    record = {"huggingface_hub": huggingface_hub.__version__, "checks": checks}
    if len(sys.argv) > 4:
        Path(sys.argv[4]).write_text(json.dumps(record, indent=2) + "\n")
    return 0 if all(check["good"] for check in checks) else 1


class Session:
    """The two programs, the folder that is served, and what was found."""

    def __init__(self, server, endpoint, command, folder, scratch):
        self.server, self.endpoint, self.command = server, endpoint, command
        self.scratch = scratch
        self.files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
        self.checks = []

    def requests(self):
        """Requests since the last call."""
        text = urllib.request.urlopen(self.endpoint + "/_log").read().decode()
        self.server.stdin.write("x")
        self.server.stdin.flush()
        while urllib.request.urlopen(self.endpoint + "/_log").read():
            pass
        return text.split("\n") if text else []

    def java(self, cache, offline=False, repository="org/model", names=None):
        """The snapshot that the Java client returns."""
        environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1" if offline else "0"}
        if repository != "org/model":
            environment["HF_TOKEN"] = TOKEN
        run = subprocess.run([*self.command, PACKAGE + "HubDownload", repository, *(names or sorted(self.files))],
                             env=environment, capture_output=True, text=True, check=True)
        return Path(run.stdout.strip())

    def holds(self, snapshot):
        return all((Path(snapshot) / name).read_bytes() == content for name, content in self.files.items())

    def check(self, what, good, detail=None):
        self.checks.append({"check": what, "good": bool(good), **({"detail": detail} if detail else {})})
        print(f"{'ok  ' if good else 'FAIL'}  {what}  {detail or ''}", flush=True)


def run(session):
    from huggingface_hub import errors, hf_hub_download, scan_cache_dir, snapshot_download

    first, second = session.scratch / "python-first", session.scratch / "java-first"
    snapshot = snapshot_download("org/model", cache_dir=first)
    session.check("huggingface_hub downloads a snapshot from the test hub", session.holds(snapshot))
    seen = session.requests()
    session.check("its requests", any(r.startswith("GET /cdn/") for r in seen), sorted({kind(r) for r in seen}))
    mine = session.java(first)
    session.check("Java returns the snapshot that Python made", mine == Path(snapshot).resolve() or
                  mine.resolve() == Path(snapshot).resolve())
    seen = session.requests()
    session.check("Java asks for the list of files only", [kind(r) for r in seen] == ["GET /api"],
                  [kind(r) for r in seen])

    mine = session.java(second)
    session.check("Java downloads a snapshot", session.holds(mine))
    session.requests()
    theirs = snapshot_download("org/model", cache_dir=second)
    session.check("Python returns the snapshot that Java made",
                  Path(theirs).resolve() == mine.resolve() and session.holds(theirs))
    seen = session.requests()
    session.check("Python fetches no contents", not any(kind(r) in ("GET /cdn", "GET /resolve") for r in seen),
                  sorted({kind(r) for r in seen}))
    session.check("both caches have the same names", layout(first) == layout(second), layout(second))
    info = scan_cache_dir(second)
    session.check("huggingface_hub scans Java's cache without a warning",
                  not info.warnings and [r.repo_id for r in info.repos] == ["org/model"],
                  f"{info.size_on_disk} bytes")
    session.check("both work offline from the other's cache",
                  session.java(first, offline=True).resolve() == Path(snapshot).resolve()
                  and Path(snapshot_download("org/model", cache_dir=second, local_files_only=True)).resolve()
                  == mine.resolve())

    from transformers import AutoModelForCausalLM

    model, info = AutoModelForCausalLM.from_pretrained("org/model", cache_dir=second, local_files_only=True,
                                                       output_loading_info=True)
    session.check("transformers loads the model from Java's cache",
                  not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), type(model).__name__)

    cases = [
        ("a repository that is not there", errors.RepositoryNotFoundError, "org/absent", {}),
        ("a revision that is not there", errors.RevisionNotFoundError, "org/model", {"revision": "v9"}),
        ("a gated repository", errors.GatedRepoError, "org/gated", {}),
    ]
    for what, expected, repository, options in cases:
        session.check(f"huggingface_hub tells {what}",
                      raised(lambda: snapshot_download(repository, cache_dir=second, **options)) is expected,
                      expected.__name__)
    session.check("huggingface_hub tells a file that is not there",
                  raised(lambda: hf_hub_download("org/model", "absent.txt", cache_dir=second))
                  is errors.RemoteEntryNotFoundError, "RemoteEntryNotFoundError")
    session.requests()
    session.check("huggingface_hub opens the gated repository with the token",
                  session.holds(snapshot_download("org/gated", cache_dir=second, token=TOKEN)))
    leaked = [r for r in session.requests() if "/cdn/" in r and r.endswith(" token")]
    session.check("and does not send it to the other host", not leaked)


def kind(request):
    method, path = request.split(" ")[:2]
    return method + (" /api" if path.startswith("/api") else " /cdn" if path.startswith("/cdn") else " /resolve")


def layout(cache):
    """Names below refs, blobs and snapshots; links with what they point to."""
    names = []
    for file in sorted((cache / "models--org--model").rglob("*")):
        name = str(file.relative_to(cache))
        if not file.is_dir() and "/trees/" not in name:
            names.append(name + (" -> " + os.readlink(file) if file.is_symlink() else ""))
    return names


def raised(action):
    try:
        action()
    except Exception as error:  # noqa: BLE001
        return type(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
