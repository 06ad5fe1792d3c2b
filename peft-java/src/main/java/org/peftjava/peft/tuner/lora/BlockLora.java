package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * Which of LoRA's matrices are block-diagonal: the field {@code use_bdlora}. Reference: PEFT {@code
 * BdLoraConfig, BdLoraLinearVariant.init}.
 *
 * @param ofA parts of the names of layers whose A is
 * @param ofB parts of the names of layers whose B is
 * @param blocks number of blocks
 * @param strict whether each layer must have one
 */
record BlockLora(List<String> ofA, List<String> ofB, int blocks, boolean strict) {
  private static final String FIELD = "use_bdlora";

  /** The settings of a config that has some. */
  static BlockLora of(ConfigFields fields) {
    Map<String, @Nullable Object> values = fields.object(FIELD).orElse(Map.of());
    int blocks = values.getOrDefault("nblocks", 1L) instanceof Long count ? count.intValue() : 0;
    if (blocks < 1) {
      throw fields.invalid(FIELD, "must have a positive number of nblocks");
    }
    return new BlockLora(
        names(fields, values.get("target_modules_bd_a")),
        names(fields, values.get("target_modules_bd_b")),
        blocks,
        !Boolean.FALSE.equals(values.get("match_strict")));
  }

  private static List<String> names(ConfigFields fields, @Nullable Object value) {
    if (value == null) {
      return List.of();
    }
    if (value instanceof List<?> list && list.stream().allMatch(String.class::isInstance)) {
      return list.stream().map(String.class::cast).toList();
    }
    throw fields.invalid(FIELD, "must name modules in lists");
  }

  /** The adapter of a layer whose plain A (r, d) and B (o, r) have been made. */
  LayerAdapter adapter(
      LayerSite site, Parameter a, Parameter b, double scaling, LoraConfig config) {
    boolean inA = ofA.stream().anyMatch(site.path()::contains);
    boolean inB = ofB.stream().anyMatch(site.path()::contains);
    if (inA == inB && (inA || strict)) {
      throw new IllegalArgumentException(
          "useBdlora: the name \""
              + site.path()
              + "\" fits "
              + (inA ? "both" : "neither")
              + " of target_modules_bd_a "
              + ofA
              + " and target_modules_bd_b "
              + ofB
              + ". It must fit one"
              + (inA ? "." : ", unless match_strict is false."));
    }
    if (inB && config.loraBias()) {
      throw new IllegalArgumentException(
          "useBdlora: a block-diagonal B has no bias. Set loraBias to false.");
    }
    return new BlockLoraAdapter(
        blocks(site, a, inA, false), blocks(site, b, inB, true), scaling, config.loraDropout());
  }

  private BlockLoraAdapter.Blocks blocks(
      LayerSite site, Parameter plain, boolean isDiagonal, boolean zero) {
    if (!isDiagonal) {
      return new BlockLoraAdapter.Blocks(plain, 1);
    }
    long rows = plain.shape().get(0);
    long columns = plain.shape().get(1);
    if (rows % blocks != 0 || columns % blocks != 0) {
      throw new IllegalArgumentException(
          "useBdlora: the "
              + rows
              + " rows and "
              + columns
              + " columns of a matrix of \""
              + site.path()
              + "\" do not divide into "
              + blocks
              + " blocks.");
    }
    plain.close();
    long each = columns / blocks;
    Init init = zero ? Init.zeros() : Init.uniform(Math.sqrt(6.0 / each));
    return new BlockLoraAdapter.Blocks(site.parameter(init, rows, each), blocks);
  }
}
