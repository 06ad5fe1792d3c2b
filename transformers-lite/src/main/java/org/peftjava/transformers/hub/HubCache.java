package org.peftjava.transformers.hub;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.UUID;
import org.peftjava.transformers.hub.HubException.Reason;

/**
 * The folder of one repository in the cache, laid out as huggingface_hub does, so that both use one
 * cache:
 *
 * <pre>
 * models--org--name/
 *   refs/main                       the commit that the name stood for when it was last looked up
 *   blobs/[etag]                    contents
 *   snapshots/[commit]/config.json  links to blobs
 * .locks/models--org--name/[etag].lock
 * </pre>
 */
record HubCache(Path root, RepoId repo, boolean symlinks) {
  private static final String TAG =
      """
      Signature: 8a477f597d28d172789f06886806bc55
      # This file is a cache directory tag created by peft-java.
      # For information about cache directory tags see https://bford.info/cachedir/
      """;

  /** The snapshot that the revision stood for when it was last looked up. */
  Optional<Path> snapshot(String revision) {
    Optional<String> commit =
        FileNames.isCommit(revision) ? Optional.of(revision) : readRef(revision);
    return commit.map(this::snapshotFolder).filter(Files::isDirectory);
  }

  Path snapshotFolder(String commit) {
    return folder().resolve("snapshots").resolve(commit);
  }

  Path blob(String etag) {
    return folder().resolve("blobs").resolve(etag);
  }

  Path lock(String etag) {
    return root.resolve(".locks").resolve(repo.folderName()).resolve(etag + ".lock");
  }

  private Path folder() {
    return root.resolve(repo.folderName());
  }

  private Optional<String> readRef(String revision) {
    Path ref = folder().resolve("refs").resolve(revision);
    try {
      if (Files.isRegularFile(ref) && Files.size(ref) <= 64) {
        return Optional.of(Files.readString(ref, StandardCharsets.UTF_8).strip())
            .filter(FileNames::isCommit);
      }
    } catch (IOException e) {
      return Optional.empty(); // as if it had never been looked up
    }
    return Optional.empty();
  }

  /** Remembers what a revision stands for. */
  void writeRef(String revision, String commit) {
    if (revision.equals(commit) || readRef(revision).equals(Optional.of(commit))) {
      return;
    }
    Path ref = folder().resolve("refs").resolve(revision);
    Path temporary = ref.resolveSibling(ref.getFileName() + "." + UUID.randomUUID() + ".tmp");
    try {
      createFolders(ref);
      Files.writeString(temporary, commit);
      Files.move(temporary, ref, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw cannotWrite(ref, e);
    }
  }

  /** Creates the folder that a file goes into, and marks the cache as one for backup programs. */
  void createFolders(Path file) throws IOException {
    Path parent = file.getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    Path tag = root.resolve("CACHEDIR.TAG");
    if (!Files.exists(tag)) {
      Files.writeString(tag, TAG);
    }
  }

  /**
   * Makes a blob visible in a snapshot, by a relative link; where there are none, by moving a new
   * blob there and copying an old one, as huggingface_hub does. Whoever looks meanwhile sees the
   * file as it was before.
   */
  void link(String etag, Path pointer, boolean isNew) {
    Path blob = blob(etag);
    try {
      createFolders(pointer);
      Path temporary = pointer.resolveSibling(pointer.getFileName() + "." + UUID.randomUUID());
      if (!(symlinks && linked(blob, temporary))) {
        if (isNew) {
          Files.move(blob, temporary);
        } else {
          Files.copy(blob, temporary);
        }
      }
      Files.move(temporary, pointer, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw cannotWrite(pointer, e);
    }
  }

  private static boolean linked(Path blob, Path pointer) throws IOException {
    Path folder = pointer.toAbsolutePath().getParent();
    if (folder == null) {
      return false;
    }
    try {
      Files.createSymbolicLink(pointer, folder.relativize(blob.toAbsolutePath()));
      return true;
    } catch (UnsupportedOperationException | IOException e) {
      return false; // no links here: Windows without the right to make them, some network drives
    }
  }

  static HubException cannotWrite(Path file, IOException cause) {
    return new HubException(
        Reason.CACHE,
        "Cannot write "
            + file
            + " in the hub's cache: "
            + cause.getClass().getSimpleName()
            + " "
            + cause.getMessage()
            + ". Check its permissions and room, or choose another folder with HF_HUB_CACHE.",
        cause);
  }
}
