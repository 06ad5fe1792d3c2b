package org.peftjava.transformers.generation;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.tokenizer.DecodeOptions;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Pieces of text that another thread generates; Python's class of the same name.
 *
 * <p>An error of the generation is thrown where the text ends. Closing stops the generation after
 * its present token and waits until its memory is free. A stream that is neither read to its end
 * nor closed lets the generation run to its own end.
 */
public final class TextIteratorStreamer implements Iterator<String>, AutoCloseable {
  private final BlockingQueue<Optional<String>> pieces = new LinkedBlockingQueue<>();
  private final Thread producer;
  private volatile boolean cancelled;
  private volatile @Nullable Throwable failure;
  private @Nullable String next;
  private boolean ended;

  /** What generates: takes where pieces go, and a listener that stops it. */
  @FunctionalInterface
  private interface Source {
    void generate(Consumer<String> pieces, TokenListener cancellation);
  }

  /**
   * The text that a generation writes, piece by piece.
   *
   * @param decoding how tokens become text
   * @param generation generates with the options that it is given, on a thread of its own
   */
  public static Stream<String> of(
      Tokenizer tokenizer,
      Consumer<DecodeOptions.Builder> decoding,
      Consumer<GenerateOptions> generation) {
    return new TextIteratorStreamer(
            (pieces, cancellation) -> {
              TextStreamer text = new TextStreamer(tokenizer, decoding, pieces);
              generation.accept(
                  GenerateOptions.builder()
                      .tokenizer(tokenizer)
                      .streamer(text.and(cancellation))
                      .build());
              text.end();
            })
        .stream();
  }

  private TextIteratorStreamer(Source source) {
    producer = new Thread(() -> produce(source), "generate");
    producer.setDaemon(true);
    producer.start();
  }

  private void produce(Source source) {
    try {
      source.generate(
          piece -> pieces.add(Optional.of(piece)), TokenListener.cancelledBy(() -> cancelled));
    } catch (RuntimeException | Error e) {
      failure = e;
    } finally {
      pieces.add(Optional.empty());
    }
  }

  /** The pieces as a stream, which closes this with it. */
  private Stream<String> stream() {
    int traits = Spliterator.ORDERED | Spliterator.NONNULL;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(this, traits), false)
        .onClose(this::close);
  }

  @Override
  public boolean hasNext() {
    if (next == null && !ended) {
      next = take();
      if (next == null) {
        ended = true;
        close();
        rethrow();
      }
    }
    return next != null;
  }

  @Override
  public String next() {
    if (!hasNext()) {
      throw new NoSuchElementException("The text has ended.");
    }
    String piece = next;
    next = null;
    return Objects.requireNonNull(piece);
  }

  private @Nullable String take() {
    try {
      return pieces.take().orElse(null);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return null; // ends here, as if closed
    }
  }

  private void rethrow() {
    Throwable cause = failure;
    if (cause instanceof RuntimeException exception) {
      throw exception;
    }
    if (cause instanceof Error error) {
      throw error;
    }
  }

  @Override
  public void close() {
    cancelled = true;
    boolean interrupted = false;
    while (producer.isAlive() && Thread.currentThread() != producer) {
      try {
        producer.join();
      } catch (InterruptedException e) {
        interrupted = true; // the memory must be free before this returns
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
