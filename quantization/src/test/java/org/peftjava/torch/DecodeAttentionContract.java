package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.quant.ScopedTest;
import org.peftjava.quant.bnb.CountingLauncher;
import org.peftjava.torch.DecodeAttention.Operands;
import org.peftjava.torch.DecodeAttention.Rule;
import org.peftjava.torch.cuda.KernelLauncher;

/**
 * Attention of one token whose place only the device knows is that of the formula in float64, token
 * after token with the same launch.
 */
abstract class DecodeAttentionContract extends ScopedTest {
  private final Device device;
  private final KernelLauncher kernels;
  private CountingLauncher counting;
  private CardTensors.Closing standIn;

  DecodeAttentionContract(Device device, KernelLauncher kernels) {
    this.device = device;
    this.kernels = kernels;
  }

  @BeforeEach
  final void useTheKernels() {
    counting = new CountingLauncher(kernels);
    standIn = DecodeAttention.CARDS.standIn(device, counting);
  }

  @AfterEach
  final void stopUsingThem() {
    standIn.close();
  }

  /** A cache in which no token has been written yet, as memory comes: it must not be read. */
  private Tensor unwritten(DType type, long... sizes) {
    return Creation.empty(DType.FLOAT32, Device.CPU, sizes)
        .fillInPlace(Double.NaN)
        .to(type)
        .to(device);
  }

  private Tensor random(DType type, long... sizes) {
    return Creation.randn(DType.FLOAT32, sizes).to(type).to(device);
  }

  /**
   * Heads alone, in groups and in groups of odd sizes; sizes of heads that fill lanes or not;
   * rotations of all or some elements, in halves or pairs; windows; bounds; padding; so few tokens
   * that one block has them, and so many that several have.
   */
  @ParameterizedTest
  @CsvSource({
    // type, rows, heads, served, d, turned, pairs, window, cap, padded, capacity, first
    "FLOAT32, 1, 4, 4, 16, 16, false, 0, 0, false, 40, 0",
    "FLOAT32, 2, 6, 2, 24, 16, false, 0, 0, true, 64, 3",
    "FLOAT32, 1, 7, 1, 80, 32, true, 0, 0, false, 300, 290",
    "FLOAT32, 2, 8, 1, 256, 256, false, 48, 3.5, true, 200, 150",
    "FLOAT32, 1, 18, 2, 8, 8, true, 70, 0, false, 400, 380",
    "BFLOAT16, 2, 8, 2, 64, 64, false, 0, 0, true, 700, 600",
    "BFLOAT16, 1, 2, 2, 128, 128, false, 0, 20, false, 160, 128",
    "FLOAT16, 3, 4, 2, 32, 32, false, 0, 0, false, 100, 60",
    "FLOAT16, 1, 9, 1, 96, 48, true, 33, 5, false, 90, 32"
  })
  void tokens(
      DType type,
      int rows,
      int heads,
      int served,
      int d,
      int turned,
      boolean pairs,
      long window,
      double cap,
      boolean padded,
      int capacity,
      int first) {
    Tensor keys = unwritten(type, rows, served, capacity, d);
    Tensor values = unwritten(type, rows, served, capacity, d);
    if (first > 0) {
      keys.narrow(2, 0, first).copyInPlace(random(type, rows, served, first, d));
      values.narrow(2, 0, first).copyInPlace(random(type, rows, served, first, d));
    }
    Tensor cos = random(type, 1, 1, capacity, turned);
    Tensor sin = random(type, 1, 1, capacity, turned);
    Rule rule = new Rule(1.3 / Math.sqrt(d), cap, window, pairs);
    Tensor padding = padded ? padding(rows, first) : null;
    try (StepPlace place = new StepPlace(device, first, capacity, padding)) {
      for (int token = first; token < Math.min(first + 5, capacity); token++) {
        // as projections give them: parts of one product
        Tensor all = random(type, rows, 1, (heads + 2L * served) * d);
        Tensor q = all.narrow(2, 0, (long) heads * d).reshape(rows, heads, 1, d);
        Tensor k = all.narrow(2, (long) heads * d, (long) served * d).reshape(rows, served, 1, d);
        Tensor v =
            all.narrow(2, (long) (heads + served) * d, (long) served * d)
                .reshape(rows, served, 1, d);
        Operands operands = new Operands(q, k, v, cos, sin, keys, values);
        assertTrue(DecodeAttention.covers(operands, place));
        Tensor y = DecodeAttention.of(operands, rule, place);
        place.advance();
        assertArrayEquals(new long[] {rows, 1, (long) heads * d}, y.shape().toArray());
        Tensor c = cos.narrow(2, token, 1);
        Tensor s = sin.narrow(2, token, 1);
        Tensor turnedKey = turned(k, c, s, pairs);
        assertClose(turnedKey, keys.narrow(2, token, 1), epsilon(type), "key " + token);
        assertArrayEquals(
            v.contiguous().toBytes(), values.narrow(2, token, 1).contiguous().toBytes());
        long from = window > 0 ? Math.max(0, token + 1 - window) : 0;
        Tensor expected =
            attention(
                turned(q, c, s, pairs).to(type).to(DType.FLOAT64),
                wide(keys).narrow(2, from, token + 1 - from),
                wide(values).narrow(2, from, token + 1 - from),
                padding == null ? null : wide(place.mask()).narrow(1, from, token + 1 - from),
                rule);
        assertClose(
            expected.reshape(rows, 1, (long) heads * d), y, epsilon(type), "token " + token);
      }
      assertEquals(capacity - first < 5 ? capacity - first : 5, counting.launches("decode"));
    }
    int written = Math.min(first + 5, capacity);
    for (Tensor cache : List.of(keys, values)) {
      Tensor rest = cache.narrow(2, written, capacity - written).to(Device.CPU).to(DType.FLOAT32);
      for (float untouched : rest.toFloats()) {
        assertTrue(Float.isNaN(untouched));
      }
    }
  }

  /** Row 0 has no padding, row 1 one less than there are tokens, row 2 one. */
  private Tensor padding(int rows, int first) {
    long[][] mask = new long[rows][first];
    for (int row = 0; row < rows; row++) {
      int hidden = row == 0 ? 0 : row == 1 ? first - 1 : 1;
      for (int i = hidden; i < first; i++) {
        mask[row][i] = 1;
      }
    }
    return Creation.ofLongs(mask).to(device);
  }

  /** A place can be left and come back to: what was written behind it is written again. */
  @Test
  void goesBack() {
    Tensor keys = unwritten(DType.FLOAT32, 1, 1, 20, 8);
    Tensor values = unwritten(DType.FLOAT32, 1, 1, 20, 8);
    Tensor cos = random(DType.FLOAT32, 1, 1, 20, 8);
    Tensor sin = random(DType.FLOAT32, 1, 1, 20, 8);
    Tensor q = random(DType.FLOAT32, 1, 2, 1, 8);
    Tensor k = random(DType.FLOAT32, 1, 1, 1, 8);
    Operands operands = new Operands(q, k, k, cos, sin, keys, values);
    Rule rule = new Rule(1, 0, 0, false);
    try (StepPlace place = new StepPlace(device, 0, 20, null)) {
      byte[] first = DecodeAttention.of(operands, rule, place).toBytes();
      place.advance();
      byte[] second = DecodeAttention.of(operands, rule, place).toBytes();
      place.moveTo(0);
      assertArrayEquals(first, DecodeAttention.of(operands, rule, place).toBytes());
      place.moveTo(1);
      assertArrayEquals(second, DecodeAttention.of(operands, rule, place).toBytes());
      assertEquals(1, place.position().toLongs()[0]);
    }
  }

  /** What the kernel cannot take is said before anything is started. */
  @Test
  void refusesWhatDoesNotFit() {
    Tensor q = random(DType.FLOAT32, 1, 2, 1, 12);
    Tensor k = random(DType.FLOAT32, 1, 1, 1, 12);
    Tensor cache = random(DType.FLOAT32, 1, 1, 20, 12);
    Tensor angles = random(DType.FLOAT32, 1, 1, 20, 12);
    Operands odd = new Operands(q, k, k, angles, angles, cache, cache);
    try (StepPlace place = new StepPlace(device, 0, 20, null);
        StepPlace larger = new StepPlace(device, 0, 24, null)) {
      assertFalse(DecodeAttention.covers(odd, place));
      assertThrows(
          TorchException.ShapeMismatch.class,
          () -> DecodeAttention.of(odd, new Rule(1, 0, 0, false), place));
      Tensor q8 = random(DType.FLOAT32, 1, 2, 1, 8);
      Tensor k8 = random(DType.FLOAT32, 1, 1, 1, 8);
      Tensor cache8 = random(DType.FLOAT32, 1, 1, 20, 8);
      Tensor angles8 = random(DType.FLOAT32, 1, 1, 20, 8);
      Operands fits = new Operands(q8, k8, k8, angles8, angles8, cache8, cache8);
      assertTrue(DecodeAttention.covers(fits, place));
      assertFalse(DecodeAttention.covers(fits, larger));
      assertEquals(0, counting.launches("decode"));
    }
  }

  private static Tensor turned(Tensor x, Tensor cos, Tensor sin, boolean pairs) {
    long r = cos.size(3);
    long d = x.size(3);
    Tensor all = wide(x);
    Tensor turning = all.narrow(3, 0, r);
    Tensor half = pairs ? swapped(turning, r / 2, 2) : turning;
    Tensor halves = half.mul(wide(cos)).add(Ops.roll(half, r / 2).mul(wide(sin)));
    Tensor done = pairs ? swapped(halves, 2, r / 2) : halves;
    return r == d ? done : Creation.cat(List.of(done, all.narrow(3, r, d - r)), 3);
  }

  private static Tensor swapped(Tensor x, long rows, long columns) {
    return x.reshape(x.size(0), x.size(1), 1, rows, columns)
        .transpose(3, 4)
        .reshape(x.size(0), x.size(1), 1, rows * columns);
  }

  private static Tensor attention(Tensor q, Tensor k, Tensor v, Tensor mask, Rule rule) {
    long group = q.size(1) / k.size(1);
    Tensor scores = q.matmul(Ops.repeatHeads(k, group).transpose(2, 3)).mul(rule.scale());
    if (rule.cap() != 0) {
      scores = Ops.tanh(scores.div(rule.cap())).mul(rule.cap());
    }
    if (mask != null) {
      scores =
          scores.maskedFill(
              mask.eq(0).reshape(mask.size(0), 1, 1, mask.size(1)), Double.NEGATIVE_INFINITY);
    }
    return Ops.softmax(scores, -1).matmul(Ops.repeatHeads(v, group));
  }

  private static double epsilon(DType type) {
    return type == DType.FLOAT32 ? 3e-6 : type == DType.FLOAT16 ? 0x1p-9 : 0x1p-6;
  }

  private static Tensor wide(Tensor x) {
    return x.to(Device.CPU).to(DType.FLOAT64);
  }

  private static void assertClose(Tensor expected, Tensor actual, double epsilon, String what) {
    double scale = expected.abs().max().toDouble();
    double error = expected.sub(wide(actual)).abs().max().toDouble();
    assertTrue(error <= epsilon * scale, () -> what + ": " + error + " of " + scale);
  }
}
