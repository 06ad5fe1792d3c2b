package org.peftjava.transformers.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;

/** What a request sends: bytes of a known number, which can be read again for another attempt. */
final class RequestBody implements AutoCloseable {
  private final Source source;
  private final long length;
  private final LongConsumer progress;
  private final AtomicLong movedAt = new AtomicLong(System.nanoTime());
  private volatile InputStream open = InputStream.nullInputStream();

  /** Opens the bytes at their beginning. */
  @FunctionalInterface
  private interface Source {
    InputStream open() throws IOException;
  }

  private RequestBody(Source source, long length, LongConsumer progress) {
    this.source = source;
    this.length = length;
    this.progress = progress;
  }

  /** Bytes in memory. */
  static RequestBody of(byte[] bytes) {
    return new RequestBody(
        () -> new java.io.ByteArrayInputStream(bytes), bytes.length, count -> {});
  }

  /**
   * A part of a file.
   *
   * @param progress is told the number of bytes of this part that have been read
   */
  static RequestBody of(Path file, long from, long length, LongConsumer progress) {
    return new RequestBody(() -> new FileSlice(file, from, length), length, progress);
  }

  /** Bytes for one attempt. */
  BodyPublisher publisher() {
    movedAt.set(System.nanoTime());
    return length == 0
        ? BodyPublishers.noBody()
        : BodyPublishers.fromPublisher(BodyPublishers.ofInputStream(this::open), length);
  }

  /** When the last bytes were taken, as {@link System#nanoTime}. */
  long movedAt() {
    return movedAt.get();
  }

  private InputStream open() {
    try {
      open = new Counted(source.open());
      return open;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Ends what an attempt has left open. */
  @Override
  public void close() throws IOException {
    open.close();
  }

  private final class Counted extends FilterInputStream {
    private long count;

    Counted(InputStream in) {
      super(in);
    }

    @Override
    public int read(byte[] buffer, int offset, int size) throws IOException {
      int read = in.read(buffer, offset, size);
      movedAt.set(System.nanoTime());
      if (read > 0) {
        count += read;
        progress.accept(count);
      }
      return read;
    }
  }
}
