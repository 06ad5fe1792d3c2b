package org.peftjava.transformers.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * What the hub says about a revision: {@code GET /api/models/[name]/revision/[revision]}.
 *
 * @param commit the hash of the commit
 * @param files names of its files
 */
record RepoInfo(String commit, Set<String> files) {
  /** Reads the answer, whose names become paths. */
  static RepoInfo parse(String json, RepoId repo) {
    JsonNode root;
    try {
      root = PythonJson.parse(json, Path.of("answer"));
    } catch (InvalidFileException e) {
      throw new HubException(
          Reason.INVALID_ANSWER,
          "The hub's answer for "
              + repo.name()
              + " cannot be read ("
              + FileNames.shown(String.valueOf(e.getMessage()))
              + "). Does HF_ENDPOINT point to a hub?",
          e);
    }
    String commit = root.path("sha").asText();
    if (!FileNames.isCommit(commit)) {
      throw invalid(repo, "names the commit \"" + FileNames.shown(commit) + "\"");
    }
    Set<String> files = new LinkedHashSet<>();
    for (JsonNode sibling : root.path("siblings")) {
      String name = sibling.path("rfilename").asText();
      if (!FileNames.isSafe(name)) {
        throw invalid(repo, "names the file \"" + FileNames.shown(name) + "\"");
      }
      files.add(name);
    }
    return new RepoInfo(commit, files);
  }

  private static HubException invalid(RepoId repo, String what) {
    return new HubException(
        Reason.INVALID_ANSWER,
        "The hub's answer for " + repo.name() + " " + what + ", which is refused.");
  }
}
