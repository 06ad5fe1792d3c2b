package org.peftjava.peft.io;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns an adapter that began by taking a part out of the base weight (PiSSA, OLoRA, CorDA,
 * LoRA-GA) into plain LoRA of twice the rank over the base as it was: {@code s (B A - B0 A0) = s
 * [B, -B0] [A; A0]} with the first values A0 and B0.
 *
 * <p>Reference: PEFT {@code LoraModel.subtract_mutated_init} and {@code PeftModel.save_pretrained}.
 * Unlike there, weights that are not LoRA's matrices (modules_to_save) stay in the file, and the
 * folder of first values is only read.
 */
public final class LoraInitialConversion {
  private static final Logger LOG = LoggerFactory.getLogger(LoraInitialConversion.class);
  private static final List<String> CONVERTED =
      List.of("pissa", "corda", "olora", "lora_ga", "true");

  private final Path initial;

  /**
   * A conversion.
   *
   * @param initial the folder to which the adapter was saved before training
   */
  public LoraInitialConversion(Path initial) {
    this.initial = initial;
  }

  /**
   * The config of the converted adapter: twice the rank at the same scaling.
   *
   * @throws IllegalArgumentException if such an adapter cannot be converted
   */
  public TunerConfig config(TunerConfig config) {
    ConfigFields fields = config.fields();
    if (!config.peftType().equals("LORA")) {
      throw new IllegalArgumentException(
          "pathInitialModelForWeightConversion converts LORA adapters, not "
              + config.peftType()
              + ".");
    }
    boolean rslora = fields.flag("use_rslora");
    boolean patterns = fields.isSet("rank_pattern") || fields.isSet("alpha_pattern");
    if (fields.flag("use_dora") || (rslora && patterns)) {
      throw new IllegalArgumentException(
          "pathInitialModelForWeightConversion cannot convert an adapter with "
              + (fields.flag("use_dora")
                  ? "DoRA: its magnitudes belong to the changed base."
                  : "useRslora together with rankPattern or alphaPattern."));
    }
    String init = String.valueOf(fields.get("init_lora_weights"));
    if (CONVERTED.stream().noneMatch(init::startsWith)) {
      LOG.warn("An adapter that began as \"{}\" is converted although it need not be.", init);
    }
    TunerConfig result =
        config
            .with("init_lora_weights", true)
            .with("r", 2 * fields.integer("r"))
            .with("lora_alpha", scaled(fields.get("lora_alpha"), rslora ? Math.sqrt(2) : 2));
    for (String field : List.of("rank_pattern", "alpha_pattern")) {
      Map<String, @Nullable Object> doubled = new LinkedHashMap<>();
      fields.numbers(field).forEach((key, value) -> doubled.put(key, scaled(value, 2)));
      result = result.with(field, doubled);
    }
    return result;
  }

  /** A whole number stays one if it can. */
  private static Object scaled(@Nullable Object value, double factor) {
    double result = ((Number) Objects.requireNonNull(value)).doubleValue() * factor;
    return value instanceof Long && factor == 2 ? (Object) Math.round(result) : (Object) result;
  }

  /** The weights of the converted adapter, in the current scope. */
  Map<String, Tensor> tensors(Map<String, Tensor> trained) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    try (WeightSource source = AdapterCheckpoint.open(initial)) {
      trained.forEach(
          (name, value) -> {
            if (name.contains("lora_A") || name.contains("lora_embedding_A")) {
              result.put(name, Creation.cat(List.of(value, first(source, name, value)), 0));
            } else if (name.contains("lora_B") || name.contains("lora_embedding_B")) {
              result.put(name, Creation.cat(List.of(value, first(source, name, value).neg()), 1));
            } else {
              result.put(name, value);
            }
          });
    }
    return result;
  }

  private static Tensor first(WeightSource source, String name, Tensor trained) {
    Path file = Path.of(source.toString());
    if (!source.names().contains(name)) {
      throw new InvalidFileException(file, "has no first values of " + name + ".");
    }
    if (!source.shape(name).equals(trained.shape())) {
      throw new InvalidFileException(
          file, name + " is " + source.shape(name) + " here, but " + trained.shape() + " now.");
    }
    return source.tensor(name).to(trained.device()).to(trained.dtype());
  }
}
