package org.peftjava.transformers.hub;

/**
 * Is told how downloads and uploads proceed: when one begins or resumes, every few hundred
 * kilobytes, and when it ends. Downloads call it on the caller's thread; uploads on several
 * threads, never two at once.
 */
@FunctionalInterface
public interface TransferListener {
  /** Hears nothing. */
  TransferListener NONE = (file, bytes, total) -> {};

  /**
   * A part of a file is here, or there.
   *
   * @param file its name in the repository
   * @param bytes how many are there
   * @param total how many there will be
   */
  void onProgress(String file, long bytes, long total);
}
