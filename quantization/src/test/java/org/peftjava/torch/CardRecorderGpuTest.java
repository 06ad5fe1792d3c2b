package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.cuda.Cards;
import org.peftjava.torch.cuda.StepRecorder;

/** CUDA graphs. */
@Tag("gpu")
class CardRecorderGpuTest extends StepRecorderContract {
  CardRecorderGpuTest() {
    super(Device.cuda(0), StepRecorders.on(Device.cuda(0)).orElseThrow());
  }

  /** What waits for the card, or copies from the host, is no recording; all else goes on. */
  @Test
  void whatCannotBeRecorded() {
    Tensor x = random(16, 16);
    RuntimeException waits =
        assertThrows(RuntimeException.class, () -> recorder.record(() -> x.sum().toDouble()));
    assertTrue(waits.getMessage() != null, waits.toString());
    assertThrows(
        RuntimeException.class,
        () -> recorder.record(() -> Creation.ofFloats(new float[16], 16).to(device)));
    assertThrows(
        IllegalStateException.class,
        () ->
            recorder.record(
                () -> {
                  x.add(1);
                  throw new IllegalStateException("between operators");
                }));
    assertEquals(256, x.add(1).numel());
    assertTrue(Double.isFinite(x.sum().toDouble()));
    replaysReadWhatIsThereThen();
  }

  /** The memory of recordings that are closed serves the next ones. */
  @Test
  void memoryIsUsedAgain() {
    replaysReadWhatIsThereThen();
    long before = Cards.allocatedBytes(0);
    for (int i = 0; i < 20; i++) {
      Tensor x = random(64, 1024);
      Tensor weight = random(1024, 1024);
      try (Work work = new Work(x, weight)) {
        recorder.rehearse(work);
        try (StepRecorder.Recording recording = recorder.record(work)) {
          assertEquals(64, recording.replay(work::result).size(0));
        }
      }
      x.close();
      weight.close();
    }
    long grown = Cards.allocatedBytes(0) - before;
    assertTrue(grown < 64 << 20, () -> grown + " bytes more"); // results of the test's scope
  }
}
