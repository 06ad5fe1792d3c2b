package org.peftjava.transformers.hub;

/**
 * Is told how downloads proceed: when one begins or resumes, every few hundred kilobytes, and when
 * it ends. Called on the thread that downloads.
 */
@FunctionalInterface
public interface DownloadListener {
  /** Hears nothing. */
  DownloadListener NONE = (file, bytes, total) -> {};

  /**
   * A part of a file is here.
   *
   * @param file its name in the repository
   * @param bytes how many are here
   * @param total how many there will be
   */
  void onProgress(String file, long bytes, long total);
}
