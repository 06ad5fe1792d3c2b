"""Uploads for hub_interop.py: huggingface_hub and the Java client write to the test hub and read what the other wrote."""

import os
import random
import shutil
import subprocess
from pathlib import Path

PACKAGE = "org.peftjava.transformers.hub."
TOKEN = "hf_secret"


def run(session, adapter):
    from huggingface_hub import CommitOperationDelete, HfApi, ModelCard, errors, hf_hub_download, snapshot_download

    api = HfApi(token=TOKEN)
    folder = uploaded(session)
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    session.requests()

    url = api.create_repo("org/python", private=True)
    api.create_repo("org/python", exist_ok=True)
    session.check("huggingface_hub creates a private repository on the test hub", url.repo_id == "org/python",
                  f"private: {api.repo_info('org/python').private}")
    info = api.upload_folder(repo_id="org/python", folder_path=folder)
    theirs = protocol(session.requests(), "org/python")
    session.check("huggingface_hub uploads a folder: plain files, large ones, and some in parts", info.oid, theirs)
    mine = java(session, "org/other", uploaded(session, 6))
    session.check("Java uploads such a folder with the same requests", protocol(mine.log, "org/other") ==
                  [r for r in theirs if r != "GET /api/models/ID"], protocol(mine.log, "org/other"))
    leaked = [r for r in mine.log if r.startswith("PUT") and r.endswith(" token")]
    session.check("and does not send the token to the store of large files", not leaked)

    mine = java(session, "org/java", folder)

    def holds(snapshot):
        found = {str(f.relative_to(snapshot)): f.read_bytes() for f in Path(snapshot).rglob("*") if f.is_file()}
        found.pop(".gitattributes", None)
        return found == files

    cache = session.scratch / "uploads"
    session.check("Python downloads what Java uploaded",
                  holds(snapshot_download("org/java", cache_dir=cache, token=TOKEN)))
    session.check("Java downloads what Python uploaded",
                  holds(session.java(session.scratch / "java-uploads", repository="org/python", names=sorted(files))))
    same = java(session, "org/python", folder)
    session.check("Java makes no commit of what Python uploaded", same.oid == info.oid and
                  not any(r.startswith("PUT") or "/commit/" in r for r in same.log))
    session.requests()
    again = api.upload_folder(repo_id="org/java", folder_path=folder)
    log = session.requests()
    session.check("Python makes no commit of what Java uploaded", again.oid == mine.oid and
                  not any(r.startswith("PUT") or "/commit/" in r for r in log))
    session.check("both name a commit alike", again.commit_url == mine.commit_url)

    api.create_branch("org/java", branch="next")
    (folder / "config.json").write_text("{\"changed\": true}")
    branch = java(session, "org/java@next", folder)
    session.check("Java commits to the branch that Python made",
                  api.repo_info("org/java", revision="next").sha == branch.oid != api.repo_info("org/java").sha)
    theirs = api.upload_folder(repo_id="org/java", folder_path=folder, create_pr=True)
    ours = java(session, "org/java", folder, "pr")
    session.check("both make pull requests", theirs.pr_revision == "refs/pr/1" and
                  ours.pr_url == theirs.pr_url.removesuffix("1") + "2", ours.pr_url.split("/")[-2:])
    read = Path(hf_hub_download("org/java", "config.json", revision="refs/pr/2", cache_dir=cache, token=TOKEN))
    session.check("Python reads Java's pull request", read.read_bytes() == (folder / "config.json").read_bytes())
    deleted = api.create_commit("org/java", [CommitOperationDelete("config.json")], commit_message="less")
    session.check("huggingface_hub deletes a file on the test hub",
                  "config.json" not in {f.rfilename for f in api.repo_info("org/java").siblings}, deleted.oid[:7])

    cases = [
        ("a repository that is there", lambda: api.create_repo("org/java"), errors.HfHubHTTPError, 409),
        ("a foreign namespace", lambda: api.create_repo("other/x"), errors.HfHubHTTPError, 403),
        ("a branch that is there", lambda: api.create_branch("org/java", branch="next"), errors.HfHubHTTPError, 409),
        ("a revision that is not there", lambda: api.upload_file(
            path_or_fileobj=b"x", path_in_repo="x", repo_id="org/java", revision="absent"), errors.RevisionNotFoundError, 404),
        ("a parent that is not the last", lambda: api.create_commit(
            "org/java", [CommitOperationDelete("x")], commit_message="m", parent_commit="0" * 40), errors.HfHubHTTPError, 412),
        ("a file that is not there", lambda: api.create_commit(
            "org/java", [CommitOperationDelete("x")], commit_message="m"), errors.RemoteEntryNotFoundError, 404),
    ]
    for what, action, expected, status in cases:
        error = raised(action)
        session.check(f"huggingface_hub tells {what}", type(error) is expected and error.response.status_code == status,
                      f"{expected.__name__} {status}")
    pushed_adapter(session, adapter, ModelCard)


def pushed_adapter(session, adapter, model_card):
    """`peft push` of an adapter; PEFT loads it from the test hub."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    copy = session.scratch / "adapter"
    shutil.copytree(adapter / "adapter", copy)
    (copy / "README.md").unlink()
    command = [*session.command, "org.peftjava.peft.cli.Main", "push", "--adapter", str(copy), "--repo", "org/lora"]
    run = subprocess.run(command, env={**os.environ, "HF_TOKEN": TOKEN}, capture_output=True, text=True)
    session.check("peft push uploads an adapter", run.returncode == 0, run.stderr.strip() or None)
    base = AutoModelForCausalLM.from_pretrained(adapter / "base")
    model = PeftModel.from_pretrained(base, "org/lora")
    expected = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(adapter / "base"), adapter / "adapter")
    weights = dict(expected.named_parameters())
    session.check("PEFT loads it from the hub", all(bool((value == weights[name]).all())
                                                    for name, value in model.named_parameters()), type(model).__name__)
    card = model_card.load("org/lora")
    session.check("huggingface_hub reads its card", card.data.library_name == "peft" and "lora" in card.data.tags,
                  card.data.to_dict())
    card.data.license = "mit"
    card.text = "\n# By hand\n"
    card.save(session.scratch / "README.md")
    from huggingface_hub import upload_file

    upload_file(path_or_fileobj=session.scratch / "README.md", path_in_repo="README.md", repo_id="org/lora", token=TOKEN)
    (copy / "notes.txt").write_text("x")
    subprocess.run(command, env={**os.environ, "HF_TOKEN": TOKEN}, capture_output=True, text=True, check=True)
    card = model_card.load("org/lora")
    session.check("and pushing again keeps what was written into it on the hub",
                  card.data.license == "mit" and card.text.startswith("\n# By hand\n"))


class Pushed:
    """What HubUpload printed, and the requests it made."""

    def __init__(self, lines, log):
        self.oid, self.commit_url, self.pr_url = lines
        self.log = log


def java(session, repository, folder, *more):
    session.requests()
    run = subprocess.run([*session.command, PACKAGE + "HubUpload", repository, str(folder), *more],
                         env={**os.environ, "HF_TOKEN": TOKEN}, capture_output=True, text=True, check=True)
    return Pushed(run.stdout.split("\n")[:3], session.requests())


def uploaded(session, seed=5):
    """The served model and files of every kind: in parts, empty, in a folder, with a card."""
    folder = session.scratch / f"upload-{seed}"
    values = random.Random(seed)
    for name, content in {
        **session.files,
        "in parts.bin": values.randbytes(12_345),
        "a folder/whole ü.bin": values.randbytes(4_321),
        "empty.txt": b"",
        "README.md": b"---\nlicense: mit\n---\n# Text\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def protocol(log, repository):
    """The kinds of requests, without the names of repositories and files."""
    kinds = set()
    for request in log:
        method, path = request.removesuffix(" token").split(" ", 1)
        path = path.replace(repository, "ID")
        if path.startswith("/upload/"):
            path = "/upload/OID" + ("/PART" if path.count("/") == 3 else "")
        kinds.add(f"{method} {path}")
    return sorted(kinds)


def raised(action):
    try:
        action()
    except Exception as error:  # noqa: BLE001
        return error
    return None
