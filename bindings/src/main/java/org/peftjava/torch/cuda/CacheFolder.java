package org.peftjava.torch.cuda;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.LoggerFactory;

/** Whether a folder is the user's own: a real folder that nobody else can write. */
final class CacheFolder {
  private static final Set<Path> WARNED = ConcurrentHashMap.newKeySet();

  private CacheFolder() {}

  /** Whether the folder is there and is ours; says once why not. */
  static boolean isOurs(Path folder) {
    if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      return false;
    }
    try {
      if (!folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
        return true; // Windows: a folder below the user's is the user's
      }
      PosixFileAttributes attributes =
          Files.readAttributes(folder, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
      boolean closed =
          !attributes.permissions().contains(PosixFilePermission.GROUP_WRITE)
              && !attributes.permissions().contains(PosixFilePermission.OTHERS_WRITE);
      if (closed && attributes.owner().equals(ownerOfNewFile())) {
        return true;
      }
      warn(folder, "others could write it");
    } catch (IOException e) {
      warn(folder, e.toString());
    }
    return false;
  }

  /** The same after making it if it is not there. */
  static boolean makeOurs(Path folder) {
    if (!Files.exists(folder, LinkOption.NOFOLLOW_LINKS)) {
      try {
        Files.createDirectories(folder.toAbsolutePath().getParent());
        if (folder.getFileSystem().supportedFileAttributeViews().contains("posix")) {
          Files.createDirectory(
              folder,
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } else {
          Files.createDirectory(folder);
        }
      } catch (IOException e) {
        warn(folder, e.toString());
        return false;
      }
    }
    return isOurs(folder);
  }

  /** Who this process is: the owner of what it makes. */
  private static Object ownerOfNewFile() throws IOException {
    Path probe = Files.createTempFile("peft-java", ".owner");
    try {
      return Files.getOwner(probe);
    } finally {
      Files.delete(probe);
    }
  }

  private static void warn(Path folder, String reason) {
    if (WARNED.add(folder)) {
      LoggerFactory.getLogger(KernelCache.class)
          .warn(
              "Compiled CUDA kernels are not kept in {}: {}. Choose a folder of your own with"
                  + " -D{}=<folder>.",
              folder,
              reason,
              KernelCache.FOLDER);
    }
  }
}
