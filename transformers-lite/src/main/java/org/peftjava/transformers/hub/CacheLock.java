package org.peftjava.transformers.hub;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.hub.HubException.Reason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps two threads or processes from downloading one file at the same time. The lock saves work;
 * correctness does not depend on it, since files are checked and then appear in one step.
 *
 * <p>The lock file is huggingface_hub's. On Linux Java and Python lock it by different means, which
 * do not see each other on a local disk; then both may download the file, which does no harm.
 */
final class CacheLock implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CacheLock.class);
  private static final Map<Path, ReentrantLock> THREADS = new ConcurrentHashMap<>();
  private static final long POLL_MILLIS = 100;
  private static final int POLLS_PER_REPORT = 100;

  private final ReentrantLock threads;
  private final @Nullable FileChannel channel;

  private CacheLock(ReentrantLock threads, @Nullable FileChannel channel) {
    this.threads = threads;
    this.channel = channel;
  }

  /** Waits until no other thread or process holds this lock. */
  static CacheLock acquire(Path file) {
    ReentrantLock threads =
        THREADS.computeIfAbsent(file.toAbsolutePath(), path -> new ReentrantLock());
    threads.lock();
    try {
      return new CacheLock(threads, lockFile(file));
    } catch (RuntimeException e) {
      threads.unlock();
      throw e;
    }
  }

  /** Null where the file system cannot lock. */
  private static @Nullable FileChannel lockFile(Path file) {
    FileChannel channel = null;
    try {
      Path parent = file.getParent();
      if (parent != null) {
        Files.createDirectories(parent);
      }
      channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      for (int polls = 1; !tryLock(channel); polls++) {
        if (polls % POLLS_PER_REPORT == 0) {
          LOG.info("Another process downloads the same file and holds {}; waiting.", file);
        }
        Thread.sleep(POLL_MILLIS);
      }
      return channel;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      close(channel);
      throw new HubException(
          Reason.UNAVAILABLE, "Interrupted while waiting for the lock " + file + ".", e);
    } catch (IOException e) {
      LOG.debug("Cannot lock {}; going on without.", file, e);
      close(channel);
      return null;
    }
  }

  private static boolean tryLock(FileChannel channel) throws IOException {
    try {
      FileLock lock = channel.tryLock();
      return lock != null;
    } catch (OverlappingFileLockException e) {
      return false; // another class loader's copy of this class holds it
    }
  }

  private static void close(@Nullable FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      LOG.debug("Cannot close a lock file.", e);
    }
  }

  @Override
  public void close() {
    close(channel);
    threads.unlock();
  }
}
