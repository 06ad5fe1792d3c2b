package org.peftjava.torch;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.cuda.CardRecorder;
import org.peftjava.torch.cuda.StepRecorder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The devices that can record their work: NVIDIA cards, with {@code -Dpeftjava.cuda.graphs=on}. It
 * is off otherwise until it has run on a card.
 */
public final class StepRecorders {
  private static final String SWITCH = "peftjava.cuda.graphs";
  private static final Logger LOG = LoggerFactory.getLogger(StepRecorders.class);
  private static final Map<Integer, Optional<StepRecorder>> CARDS = new ConcurrentHashMap<>();
  private static volatile @Nullable StandIn standIn;

  /** A recorder in place of the usual one of a device. */
  private record StandIn(Device device, StepRecorder recorder) {}

  private StepRecorders() {}

  /** What records the work of a device; empty if nothing can. */
  public static Optional<StepRecorder> on(Device device) {
    StandIn instead = standIn;
    if (instead != null && instead.device.equals(device)) {
      return Optional.of(instead.recorder);
    }
    return device.isCuda() && "on".equals(System.getProperty(SWITCH))
        ? CARDS.computeIfAbsent(device.index(), StepRecorders::open)
        : Optional.empty();
  }

  private static Optional<StepRecorder> open(int card) {
    try (TensorScope scope = TensorScope.open("first tensor")) {
      Creation.empty(DType.INT64, Device.cuda(card), 1); // before it there is no allocator
      return Optional.of(new CardRecorder(card));
    } catch (LinkageError | RuntimeException e) {
      LOG.info(
          "Steps on card {} are started operator by operator: they cannot be recorded ({}).",
          card,
          e.toString());
      return Optional.empty();
    }
  }

  /** Makes another recorder that of a device until closed, on every thread: for tests. */
  public static CardTensors.Closing standIn(Device device, StepRecorder recorder) {
    StandIn before = standIn;
    standIn = new StandIn(device, recorder);
    return () -> standIn = before;
  }
}
