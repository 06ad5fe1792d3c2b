package org.peftjava.quant.bnb;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TorchException;
import org.peftjava.torch.cuda.ManagedAllocator;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;

/** Steps over a paged state are those over any other, to the bit; its memory is freed once. */
abstract class PagedAdamWContract extends CudaContract {
  private static final AdamW.Options OPTIONS = new AdamW.Options(3e-3, 0.8, 0.97, 1e-8, 0.05);
  private static final Set<String> WIDE = Set.of("wide");
  private static final long LARGE = 100_111;
  private static final Map<String, Long> SIZES = new LinkedHashMap<>();

  static {
    SIZES.put("large", LARGE);
    SIZES.put("wide", PagedAdamW8bit.MIN_PAGED_SIZE);
    SIZES.put("small", PagedAdamW8bit.MIN_PAGED_SIZE - 1);
    SIZES.put("tiny", 700L);
  }

  private CountingAllocator pages;
  private Function<Device, Optional<ManagedAllocator>> paged;

  PagedAdamWContract(KernelPlace place) {
    super(place);
  }

  /** Managed memory, or what stands for it. */
  abstract ManagedAllocator allocator();

  /** Moves a piece away from the card, as the driver does when the card is full. */
  abstract void evict(long address, long bytes);

  @BeforeEach
  final void countPages() {
    pages = new CountingAllocator(allocator());
    paged = device -> Optional.of(pages);
  }

  @AfterEach
  final void nothingIsLeft() {
    assertEquals(Map.of(), pages.live());
  }

  private static final class Run implements AutoCloseable {
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();
    private final Optimizer optimizer;

    Run(Map<String, Tensor> start, Function<Map<String, Parameter>, Optimizer> factory) {
      start.forEach(
          (name, values) -> {
            Parameter parameter = new Parameter(values.shape(), values.dtype(), Init.zeros());
            parameter.adopt(values.copy());
            parameters.put(name, parameter);
          });
      optimizer = factory.apply(parameters);
    }

    void step(Map<String, Tensor> gradients) {
      gradients.forEach((name, values) -> parameters.get(name).tensor().setGrad(values.copy()));
      optimizer.step();
      optimizer.zeroGrad();
    }

    @Override
    public void close() {
      optimizer.close();
      parameters.values().forEach(Parameter::close);
    }
  }

  private Map<String, Tensor> random(DType type) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    SIZES.forEach((name, size) -> result.put(name, on(Creation.randn(type, size))));
    return result;
  }

  /** Float32 values of all but what is just too small for pages. */
  private Map<String, Tensor> random() {
    Map<String, Tensor> result = random(DType.FLOAT32);
    result.remove("small");
    return result;
  }

  private Run paged(Map<String, Tensor> start, boolean portable) {
    return new Run(start, p -> new BlockwiseAdamW(p, OPTIONS, WIDE, paged, portable) {});
  }

  private static Run plain(Map<String, Tensor> start, boolean portable) {
    return new Run(start, p -> new AdamW8bit(p, OPTIONS, WIDE, portable));
  }

  private void evictAll() {
    pages.live().forEach(this::evict);
  }

  private static void assertSame(Run expected, Run actual) {
    Map<String, Tensor> state = expected.optimizer.stateDict();
    Map<String, Tensor> others = actual.optimizer.stateDict();
    assertEquals(state.keySet(), others.keySet());
    state.forEach((name, values) -> assertSame(values, others.get(name), name));
    expected.parameters.forEach(
        (name, parameter) ->
            assertSame(parameter.tensor(), actual.parameters.get(name).tensor(), name));
  }

  private static void assertSame(Tensor expected, Tensor actual, String name) {
    assertEquals(expected.dtype(), actual.dtype(), name);
    assertEquals(expected.shape(), actual.shape(), name);
    assertArrayEquals(expected.toBytes(), actual.toBytes(), name);
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"FLOAT32", "BFLOAT16"})
  void stepsAreThoseOfAnyOtherState(DType type) {
    check(type, false);
    // What is paged has a launch of its own, the rest one together.
    assertEquals(3 * (1 + 2 + 1), launches("adamw8bit" + (type == DType.FLOAT32 ? "F32" : "BF16")));
  }

  @Test
  void operatorsWorkOnPagesToo() {
    check(DType.FLOAT32, true);
    assertEquals(0, launches("adamw"));
  }

  private void check(DType type, boolean portable) {
    Map<String, Tensor> start = random(type);
    try (Run plain = plain(start, portable);
        Run paged = paged(start, portable)) {
      for (int step = 0; step < 3; step++) {
        Map<String, Tensor> gradients = random(type);
        plain.step(gradients);
        paged.step(gradients);
        evictAll();
      }
      // codes of the one, numbers of the other: no more, and no scales
      assertEquals(
          List.of(LARGE, LARGE, 400_000L, 400_000L),
          pages.live().values().stream().sorted().toList());
      assertEquals(3 * 4, pages.prefetches());
      assertSame(plain, paged);
    }
  }

  /** A state goes from pages to ordinary memory and back, and outlives both. */
  @Test
  void statesAreExchanged() {
    Map<String, Tensor> start = random();
    Map<String, Tensor> gradients = random();
    Map<String, Tensor> next = random();
    try (Run plain = plain(start, false);
        Run first = paged(start, false);
        Run second = plain(start, false)) {
      plain.step(gradients);
      first.step(gradients);
      second.step(gradients);
      plain.step(next);

      Map<String, Tensor> saved = first.optimizer.stateDict();
      assertEquals(Device.CPU, saved.get("large.state1").device());
      try (Run third = plain(start, false);
          Run fourth = paged(start, false)) {
        third.optimizer.loadStateDict(saved);
        first.optimizer.close();
        assertEquals(Map.of(), pages.live());
        assertSame(
            third.optimizer.stateDict().get("large.state1"), saved.get("large.state1"), "a copy");
        fourth.optimizer.loadStateDict(second.optimizer.stateDict());
        assertEquals(4, pages.live().size());
        evictAll();
        for (Run run : List.of(third, fourth)) {
          run.parameters.forEach(
              (name, parameter) ->
                  parameter.adopt(second.parameters.get(name).tensor().detach().copy()));
          run.step(next);
          assertSame(plain, run);
        }
      }
    }
  }

  /** Without room for all nothing has changed, and what there was of it is free again. */
  @Test
  void stepsWithoutRoomChangeNothing() {
    Map<String, Tensor> start = random();
    Map<String, Tensor> gradients = random();
    try (Run plain = plain(start, false);
        Run paged = paged(start, false)) {
      plain.step(gradients);
      pages.allow(3);
      String message =
          assertThrows(TorchException.OutOfDeviceMemory.class, () -> paged.step(gradients))
              .getMessage();
      assertTrue(message.contains("400,000 bytes of managed memory for float32 (100000)"), message);
      start.forEach(
          (name, values) -> assertSame(values, paged.parameters.get(name).tensor(), name));
      assertEquals(List.of(LARGE, LARGE), List.copyOf(pages.live().values()));
      pages.allow(2);
      paged.step(gradients);
      assertSame(plain, paged);
    }
  }

  /** A closed optimizer has no state: it begins again, as one without pages does. */
  @Test
  void closingEndsTheState() {
    Map<String, Tensor> start = random();
    Map<String, Tensor> gradients = random();
    try (Run plain = plain(start, false);
        Run paged = paged(start, false)) {
      for (Run run : List.of(plain, paged)) {
        run.step(gradients);
        run.optimizer.close();
        run.optimizer.close();
        assertTrue(run.optimizer.stateDict().isEmpty());
        assertEquals(Map.of(), pages.live());
        run.step(gradients);
      }
      assertEquals(4, pages.live().size());
      assertSame(plain, paged);
    }
  }

  /** Python's classes, wherever this runs. */
  @Test
  void optimizersOfPythonsNames() {
    Map<String, Tensor> start = random();
    try (Run eight = new Run(start, p -> new AdamW8bit(p, OPTIONS, WIDE));
        Run pagedEight = new Run(start, p -> new PagedAdamW8bit(p, OPTIONS, WIDE));
        Run wide = new Run(start, p -> new AdamW8bit(p, OPTIONS, p.keySet()));
        Run pagedWide = new Run(start, p -> new PagedAdamW32bit(p, OPTIONS))) {
      for (int step = 0; step < 2; step++) {
        Map<String, Tensor> gradients = random();
        List.of(eight, pagedEight, wide, pagedWide).forEach(run -> run.step(gradients));
      }
      assertSame(eight, pagedEight);
      assertSame(wide, pagedWide);
      Tensor codes = pagedEight.optimizer.stateDict().get("large.state2");
      assertEquals(DType.UINT8, codes.dtype());
      assertEquals(Device.CPU, codes.device(), "a copy, since it is paged where there is a card");
      assertEquals(DType.FLOAT32, pagedWide.optimizer.stateDict().get("large.state2").dtype());
      assertFalse(pagedWide.optimizer.stateDict().containsKey("large.absmax1"));
    }
  }
}
