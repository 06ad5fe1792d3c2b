package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.peftjava.quant.ScopedTest;
import org.peftjava.torch.cuda.StepRecorder;

/** What is recorded does again what it did, with what is in its memory then. */
abstract class StepRecorderContract extends ScopedTest {
  private static final float TOLERANCE = 1e-4f;

  final Device device;
  final StepRecorder recorder;

  StepRecorderContract(Device device, StepRecorder recorder) {
    this.device = device;
    this.recorder = recorder;
  }

  final Tensor random(long... sizes) {
    return Creation.randn(DType.FLOAT32, sizes).to(device);
  }

  /** Operators, a product and several passes over memory, the last result of which is kept. */
  static final class Work implements Runnable, AutoCloseable {
    final Tensor x;
    final Tensor weight;
    private Tensor y;

    Work(Tensor x, Tensor weight) {
      this.x = x;
      this.weight = weight;
    }

    @Override
    public void run() {
      try (TensorScope scope = TensorScope.open("work")) {
        Tensor hidden = x.matmul(weight).add(1);
        Tensor fresh = Ops.softmax(Ops.tanh(hidden).mul(3), -1).matmul(weight.t()).escape();
        close();
        y = fresh;
      }
    }

    Tensor result() {
      return y.copy();
    }

    float[] expected() {
      run();
      return result().toFloats();
    }

    @Override
    public void close() {
      if (y != null) {
        y.close();
        y = null;
      }
    }
  }

  @Test
  void replaysReadWhatIsThereThen() {
    try (Work eager = new Work(random(4, 64), random(64, 200));
        Work work = new Work(eager.x, eager.weight)) {
      recorder.rehearse(work);
      assertArrayEquals(eager.expected(), work.result().toFloats(), TOLERANCE);
      try (StepRecorder.Recording recording = recorder.record(work)) {
        for (int i = 0; i < 5; i++) {
          eager.x.copyInPlace(random(4, 64));
          float[] expected = eager.expected();
          float[] actual = recording.replay(work::result).toFloats();
          assertArrayEquals(expected, actual, TOLERANCE, "replay " + i);
        }
      }
    }
  }

  /** Recordings share memory between their replays, and nothing else may lie there. */
  @Test
  void recordingsDoNotDisturbOneAnother() {
    List<Work> works = new ArrayList<>();
    List<StepRecorder.Recording> recordings = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Work work = new Work(random(2 + i, 96), random(96, 128));
      recorder.rehearse(work);
      works.add(work);
      recordings.add(recorder.record(work));
    }
    for (int round = 0; round < 6; round++) {
      Work work = works.get(round * 3 % 4);
      work.x.copyInPlace(random(work.x.size(0), 96));
      Tensor beside = random(500, 500);
      byte[] before = beside.toBytes();
      try (Work eager = new Work(work.x, work.weight)) {
        float[] expected = eager.expected();
        Tensor actual = recordings.get(round * 3 % 4).replay(work::result);
        Tensor other =
            recordings.get((round * 3 + 1) % 4).replay(works.get((round * 3 + 1) % 4)::result);
        assertArrayEquals(expected, actual.toFloats(), TOLERANCE, "round " + round);
        assertEquals(96, other.size(1));
      }
      assertArrayEquals(before, beside.toBytes());
    }
    recordings.forEach(StepRecorder.Recording::close);
    works.forEach(Work::close);
  }

  /** Work that throws leaves nothing behind: the next operators and recordings work. */
  @Test
  void workThatThrows() {
    Tensor x = random(8, 8);
    assertThrows(
        IllegalStateException.class,
        () ->
            recorder.rehearse(
                () -> {
                  throw new IllegalStateException("work");
                }));
    assertEquals(64, x.add(1).numel());
    replaysReadWhatIsThereThen();
  }

  /** Other threads compute, allocate and wait for the device all the time. */
  @Test
  void othersGoOn() throws InterruptedException {
    AtomicBoolean stop = new AtomicBoolean();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    float[] values = Creation.randn(DType.FLOAT32, 64, 64).toFloats();
    Thread other =
        new Thread(
            () -> {
              try (TensorScope all = TensorScope.open("other thread")) {
                Tensor a = Creation.ofFloats(values, 64, 64).to(device);
                float[] expected = a.matmul(a).toFloats();
                for (int i = 0; !stop.get(); i++) {
                  try (TensorScope scope = TensorScope.open("pass")) {
                    Creation.empty(DType.FLOAT32, device, 1000L * (i % 50 + 1)).fillInPlace(i);
                    assertArrayEquals(expected, a.matmul(a).toFloats(), TOLERANCE);
                  }
                }
              } catch (Throwable e) {
                failure.set(e);
              }
            },
            "other");
    other.start();
    try {
      for (int i = 0; i < 5; i++) {
        replaysReadWhatIsThereThen();
      }
    } finally {
      stop.set(true);
      other.join();
    }
    if (failure.get() != null) {
      throw new AssertionError("the other thread failed", failure.get());
    }
  }

  /** A place that the recorded work itself brings forward. */
  @Test
  void placesAdvance() {
    try (StepPlace place = new StepPlace(device, 5, 20, null)) {
      Tensor taken = Creation.zeros(DType.FLOAT32, device, 20);
      Tensor one = Creation.zeros(DType.FLOAT32, device, 1).fillInPlace(1);
      Runnable work =
          () -> {
            taken.indexCopyInPlace(0, place.position(), one);
            place.advance();
          };
      recorder.rehearse(work);
      try (StepRecorder.Recording recording = recorder.record(work)) {
        assertEquals(1, taken.sum().toDouble());
        for (int i = 0; i < 3; i++) {
          recording.replay(() -> place);
        }
      }
      assertEquals(9, place.position().toLongs()[0]);
      float[] marks = taken.toFloats();
      for (int i = 0; i < 20; i++) {
        assertEquals(i >= 5 && i < 9 ? 1 : 0, marks[i], "token " + i);
      }
    }
  }
}
