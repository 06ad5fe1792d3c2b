package org.peftjava.transformers.hub;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.peftjava.transformers.hub.HubException.Reason;

/** Pushing: the repository, the branch, the card that is there, the files, the commit. */
final class HubPush {
  private static final String CARD = "README.md";
  private static final Set<Reason> NO_CARD =
      Set.of(Reason.ENTRY_NOT_FOUND, Reason.REVISION_NOT_FOUND);

  private HubPush() {}

  static CommitInfo push(PushToHubMixin what, RepoId repo, PushOptions options) {
    HfApi api = new HfApi(options.hubOptions());
    RepoId target = target(api, repo, options);
    return inTemporaryFolder(
        folder -> {
          fetchCard(target, options, folder);
          what.saveForHub(folder, options);
          return api.uploadFolder(target, folder, options.orMessage("Upload " + what.hubName()));
        });
  }

  static UploadPlan plan(PushToHubMixin what, RepoId repo, PushOptions options) {
    return inTemporaryFolder(
        folder -> {
          what.saveForHub(folder, options);
          return UploadPlan.of(repo, UploadPlan.additions(folder, options));
        });
  }

  /** The repository's whole name with the branch, after creating what is not there. */
  private static RepoId target(HfApi api, RepoId repo, PushOptions options) {
    RepoId whole =
        api.createRepo(
            repo,
            create -> {
              create.existOk(true);
              options.isPrivate().ifPresent(create::isPrivate);
            });
    Optional<String> branch = options.revision().or(repo::revision);
    if (branch.isPresent() && !branch.get().startsWith("refs/pr")) {
      try {
        api.createBranch(whole, branch.get(), create -> create.existOk(true));
      } catch (HubException e) {
        // For a pull request nobody needs to be allowed to write the branch, which may be there.
        if (!options.createPr() || e.reason() != Reason.UNAUTHORIZED) {
          throw e;
        }
      }
    }
    return new RepoId(whole.name(), branch);
  }

  /** Copies the repository's README.md, if it has one; from the hub, not from the cache. */
  private static void fetchCard(RepoId repo, PushOptions options, Path folder) {
    inTemporaryFolder(
        cache -> {
          HubOptions.Builder hub = HubOptions.builder();
          options.hub().accept(hub);
          try {
            Path card = new HubClient(hub.cacheDir(cache).build()).hfHubDownload(repo, CARD);
            return Files.copy(card, folder.resolve(CARD));
          } catch (HubException e) {
            if (NO_CARD.contains(e.reason())) {
              return folder;
            }
            throw e;
          } catch (IOException e) {
            throw new UncheckedIOException("Cannot write into the folder " + folder + ".", e);
          }
        });
  }

  private static <T> T inTemporaryFolder(Function<Path, T> work) {
    Path folder;
    try {
      folder = Files.createTempDirectory("peft-java-push");
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot make a temporary folder; see java.io.tmpdir.", e);
    }
    try {
      return work.apply(folder);
    } finally {
      delete(folder);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> walk = Files.walk(folder)) {
      List<Path> paths = walk.sorted(Comparator.reverseOrder()).toList();
      for (Path path : paths) {
        Files.deleteIfExists(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot delete the temporary folder " + folder + ".", e);
    }
  }
}
