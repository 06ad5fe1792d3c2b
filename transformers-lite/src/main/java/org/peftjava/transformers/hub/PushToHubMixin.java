package org.peftjava.transformers.hub;

import java.nio.file.Path;
import java.util.function.Consumer;

/**
 * What can be pushed to the hub: models, adapters, tokenizers. Reference: {@code
 * transformers/utils/hub.py::PushToHubMixin}.
 */
public interface PushToHubMixin {
  /**
   * Writes what is pushed, and a model card, into a folder that is empty but for the repository's
   * own README.md, if it has one.
   */
  void saveForHub(Path folder, PushOptions options);

  /** What is pushed, as the default commit message names it: "model", "tokenizer". */
  String hubName();

  /** Pushes to {@code organization/name}, with the token of {@code HF_TOKEN} or of the login. */
  default CommitInfo pushToHub(String repoId) {
    return pushToHub(repoId, options -> {});
  }

  /**
   * Pushes all files in one commit. The repository and the branch are created if they are not
   * there. What the README.md of the repository says is kept.
   *
   * @param repoId {@code organization/name}, or a name in the token's own namespace; with {@code
   *     @branch} if it is not the main one
   * @throws HubException if there is no token, or the hub refuses
   */
  default CommitInfo pushToHub(String repoId, Consumer<PushOptions.Builder> options) {
    return HubPush.push(this, RepoId.parse(repoId), PushOptions.of(options));
  }

  /** What {@link #pushToHub} would upload. Asks nobody, so a card of the hub is not in it. */
  default UploadPlan planPush(String repoId, Consumer<PushOptions.Builder> options) {
    return HubPush.plan(this, RepoId.parse(repoId), PushOptions.of(options));
  }
}
