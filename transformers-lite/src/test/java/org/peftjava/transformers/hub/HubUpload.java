package org.peftjava.transformers.hub;

import java.nio.file.Path;

/** The client as a program, for hub_interop.py: pushes a folder and prints the commit. */
final class HubUpload {
  private HubUpload() {}

  /** The repository, the folder, and "pr" for a pull request; the rest is in the environment. */
  public static void main(String[] arguments) {
    HfApi api = new HfApi(HubOptions.builder().build());
    RepoId repo = api.createRepo(RepoId.parse(arguments[0]), options -> options.existOk(true));
    repo.revision().ifPresent(branch -> api.createBranch(repo, branch, o -> o.existOk(true)));
    CommitInfo info =
        api.uploadFolder(
            repo,
            Path.of(arguments[1]),
            options ->
                options
                    .commitMessage("Upload folder using huggingface_hub")
                    .createPr(arguments.length > 2));
    System.out.println(info.oid());
    System.out.println(info.commitUrl());
    System.out.println(info.prUrl().orElse(""));
  }
}
