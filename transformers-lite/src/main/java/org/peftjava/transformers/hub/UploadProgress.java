package org.peftjava.transformers.hub;

/** How much of one file's parts has been sent; tells the listener every few hundred kilobytes. */
final class UploadProgress {
  private static final long REPORT_BYTES = 1 << 19;

  private final TransferListener listener;
  private final Object turn;
  private final String name;
  private final long total;
  private final long[] sent;
  private long reported;

  /**
   * Tells that the file begins.
   *
   * @param turn what all files of an upload share, so that the listener hears one at a time
   */
  UploadProgress(TransferListener listener, Object turn, String name, long total, int parts) {
    this.listener = listener;
    this.turn = turn;
    this.name = name;
    this.total = total;
    sent = new long[parts];
    synchronized (turn) {
      listener.onProgress(name, 0, total);
    }
  }

  /** This many bytes of a part have been sent, in its present attempt. */
  void sent(int part, long bytes) {
    synchronized (turn) {
      sent[part] = bytes;
      long sum = 0;
      for (long each : sent) {
        sum += each;
      }
      if (sum < total && sum >= reported + REPORT_BYTES) {
        reported = sum;
        listener.onProgress(name, sum, total);
      }
    }
  }

  /** All is there. */
  void done() {
    synchronized (turn) {
      listener.onProgress(name, total, total);
    }
  }
}
