package org.peftjava.torch;

import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.Pointer;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * Counts the tensors that Java code holds.
 *
 * <p>{@code -Dpeftjava.strict=true} makes a tensor created outside every {@link TensorScope} an
 * error (all tests run so). {@code -Dpeftjava.trace=true} also records where each live tensor was
 * created. Without strict mode, tensors outside scopes are left to the garbage collector, and the
 * ledger runs it when many have gathered: a safety net, never a plan.
 */
public final class TensorLedger {
  private static final boolean STRICT = Boolean.getBoolean("peftjava.strict");
  private static final boolean TRACE = Boolean.getBoolean("peftjava.trace");
  private static final long UNSCOPED_BEFORE_COLLECTION = 20_000;
  private static final AtomicLong LIVE = new AtomicLong();
  private static final AtomicLong UNSCOPED = new AtomicLong();
  private static final Map<Tensor, String> SITES = new ConcurrentHashMap<>();

  private TensorLedger() {}

  /**
   * Tensors that Java code holds now: temporaries of open scopes, parameters, buffers, optimizer
   * state.
   */
  public static long liveTensors() {
    return LIVE.get();
  }

  /** Whether tensors outside scopes are errors. */
  public static boolean isStrict() {
    return STRICT;
  }

  /** One sentence about live tensors and, when tracing is on, the sites that hold most. */
  public static String summary() {
    String sites =
        SITES.values().stream()
            .collect(Collectors.groupingBy(site -> site, Collectors.counting()))
            .entrySet()
            .stream()
            .sorted(Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder()))
            .limit(5)
            .map(entry -> entry.getKey() + " (" + entry.getValue() + ")")
            .collect(Collectors.joining(", "));
    return String.format(
        Locale.ROOT,
        "Live tensors: %,d; process memory %.2f GiB.%s",
        LIVE.get(),
        NativeRuntime.residentBytes() / (double) (1 << 30),
        sites.isEmpty() ? "" : " Largest sites: " + sites + ".");
  }

  static void opened(Tensor tensor) {
    LIVE.incrementAndGet();
    if (TRACE) {
      SITES.put(tensor, callSite());
    }
  }

  static void closed(Tensor tensor) {
    LIVE.decrementAndGet();
    if (TRACE) {
      SITES.remove(tensor);
    }
  }

  /** A tensor whose only owner is the garbage collector. */
  static void unscoped() {
    if (STRICT) {
      throw new IllegalStateException(
          "A tensor was created outside every TensorScope. Open one around this code:"
              + " try (var scope = TensorScope.open(\"name\")) {...}.");
    }
    if (UNSCOPED.incrementAndGet() % UNSCOPED_BEFORE_COLLECTION == 0) {
      System.gc();
      Pointer.deallocateReferences();
    }
  }

  private static String callSite() {
    return StackWalker.getInstance()
        .walk(
            frames ->
                frames
                    .filter(frame -> !frame.getClassName().startsWith("org.peftjava.torch.T"))
                    .filter(frame -> !frame.getClassName().startsWith("org.peftjava.torch.Natives"))
                    .findFirst()
                    .map(frame -> frame.getFileName() + ":" + frame.getLineNumber())
                    .orElse("unknown"));
  }
}
