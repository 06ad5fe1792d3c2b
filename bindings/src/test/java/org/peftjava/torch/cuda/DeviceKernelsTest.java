package org.peftjava.torch.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Which launcher a card gets, and what happens where there is none. */
class DeviceKernelsTest {
  private static final KernelLauncher NOTHING =
      new KernelLauncher() {
        @Override
        public void launch(String kernel, LaunchGrid grid, long... arguments) {}

        @Override
        public void launchOver(String kernel, LaunchGrid grid, long[] table, long... arguments) {}

        @Override
        public long table(float... values) {
          return 0;
        }

        @Override
        public int capability() {
          return 80;
        }
      };

  @Test
  void opensEveryCardOnce() {
    List<Integer> opened = new ArrayList<>();
    DeviceKernels kernels =
        new DeviceKernels(
            "a test",
            device -> {
              opened.add(device);
              return NOTHING;
            });
    assertSame(NOTHING, kernels.on(1).orElseThrow());
    assertSame(NOTHING, kernels.on(0).orElseThrow());
    assertSame(NOTHING, kernels.on(1).orElseThrow());
    assertEquals(List.of(1, 0), opened);
  }

  /** The operators serve where a kernel does not compile, or a library is missing; tried once. */
  @Test
  void doesWithoutWhatCannotBeHad() {
    for (boolean linkage : new boolean[] {false, true}) {
      List<Integer> tried = new ArrayList<>();
      DeviceKernels kernels =
          new DeviceKernels(
              "a test",
              device -> {
                tried.add(device);
                if (linkage) {
                  throw new UnsatisfiedLinkError("no jninvrtc in java.library.path");
                }
                throw new CudaException("NVRTC cannot compile a.cu");
              });
      assertEquals(Optional.empty(), kernels.on(0));
      assertEquals(Optional.empty(), kernels.on(0));
      assertEquals(List.of(0), tried);
    }
  }

  /** An error of our own is not hidden. */
  @Test
  void otherErrorsAreThrown() {
    DeviceKernels kernels =
        new DeviceKernels(
            "a test",
            device -> {
              throw new IllegalStateException("a bug");
            });
    assertThrows(IllegalStateException.class, () -> kernels.on(0));
  }

  @Test
  void canBeSwitchedOff() {
    System.setProperty(DeviceKernels.SWITCH, "off");
    try {
      assertEquals(Optional.empty(), new DeviceKernels("a test", device -> NOTHING).on(0));
    } finally {
      System.clearProperty(DeviceKernels.SWITCH);
    }
  }

  @Test
  void theNewestCodeThatTheCardRunsIsChosen() {
    int[] known = {75, 80, 86, 90, 120};
    assertEquals("sm_86", Nvrtc.architectureFor(86, known));
    assertEquals("compute_90", Nvrtc.architectureFor(100, known));
    assertEquals("compute_120", Nvrtc.architectureFor(130, known));
    String message =
        assertThrows(CudaException.class, () -> Nvrtc.architectureFor(61, known)).getMessage();
    assertTrue(message.contains("compute capability 6.1"), message);
    assertTrue(message.contains("for 7.5 and newer"), message);
  }

  @Test
  void gridsHaveLimits() {
    assertEquals(new LaunchGrid(3, 256), LaunchGrid.over(4097, 8, 256));
    assertEquals(new LaunchGrid(1, 256), LaunchGrid.over(0, 8, 256));
    assertThrows(IllegalArgumentException.class, () -> new LaunchGrid(1, 65536, 256));
    assertThrows(IllegalArgumentException.class, () -> new LaunchGrid(1, 48));
    assertThrows(IllegalArgumentException.class, () -> new LaunchGrid(0, 32));
    assertEquals(0x3f800000L, KernelLauncher.argument(1));
    assertEquals(0xbf800000L, KernelLauncher.argument(-1));
  }

  @Test
  void resourcesThatAreMissingAreNamed() {
    String message =
        assertThrows(
                IllegalStateException.class,
                () -> KernelSource.ofResources(DeviceKernels.class, "cuda", "no.cu", List.of()))
            .getMessage();
    assertTrue(message.contains("cuda/no.cu"), message);
    assertEquals(
        List.of("a", "b"),
        List.copyOf(new KernelSource("", "", Map.of("b", "", "a", "")).headers().keySet()));
  }
}
