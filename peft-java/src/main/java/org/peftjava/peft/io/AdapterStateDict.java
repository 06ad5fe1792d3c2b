package org.peftjava.peft.io;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.torch.nn.StateDict.ShapeConflict;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The weights of one adapter by the keys of its file, without the adapter's name.
 *
 * <p>Reference: PEFT {@code save_and_load.py::get_peft_model_state_dict,
 * set_peft_model_state_dict}.
 */
public final class AdapterStateDict {
  private static final Logger LOG = LoggerFactory.getLogger(AdapterStateDict.class);

  private static final String TOKENS = ".token_adapter.trainable_tokens_delta";

  private static final List<Pattern> WRAPPED =
      Stream.of("modules_to_save", "modules_to_save\\.[^.]+", "original_module")
          .map(part -> Pattern.compile("\\." + part + "\\."))
          .toList();

  private AdapterStateDict() {}

  /**
   * The values: what {@code savePretrained} writes. Owned by the current scope; most are views of
   * the adapter's own memory.
   *
   * @param prefix whether keys begin as those of a PeftModel do, with {@code base_model.}
   */
  public static Map<String, Tensor> get(
      TunedModel model, String adapter, SaveEmbeddings embeddings, boolean prefix) {
    model.adapters().checkKnown(List.of(adapter));
    TunerConfig config = model.configs().get(adapter);
    Map<String, Tensor> result = new LinkedHashMap<>();
    if (config != null) {
      AdapterKeys.saved(model, adapter, config, embeddings)
          .forEach((key, entry) -> result.put(prefix ? key : bare(key), entry.read().get()));
    }
    return result;
  }

  /**
   * Copies values into the adapter. Nothing changes if it throws.
   *
   * @param prefix whether keys begin as those of a PeftModel do; others may have the prefix too
   * @return what had no place or no value, and what did not fit and was left out
   * @throws IllegalArgumentException if sizes differ and that is not to be ignored
   */
  public static LoadReport set(
      TunedModel model,
      String adapter,
      Map<String, Tensor> values,
      boolean ignoreMismatchedSizes,
      boolean prefix) {
    Map<String, AdapterTensor> required = AdapterKeys.required(model, adapter);
    Map<String, AdapterTensor> places = places(model, adapter, required);
    Map<String, String> keys =
        AdapterKeys.byPlace(
            values.keySet(),
            key -> prefix || places.containsKey(key) ? key : AdapterKeys.PREFIX + key,
            places);
    Map<String, Shape> shapes = new LinkedHashMap<>();
    values.forEach((key, value) -> shapes.put(key, value.shape()));
    LoadReport report = compare(keys, shapes::get, required, places);
    if (!ignoreMismatchedSizes && !report.mismatched().isEmpty()) {
      throw new IllegalArgumentException(
          "These values do not fit adapter \""
              + adapter
              + "\": "
              + shapes(report)
              + ". To leave them out, use the option ignoreMismatchedSizes(true).");
    }
    if (!report.isClean()) {
      LOG.warn("Adapter \"{}\" and the given values do not fit completely: {}.", adapter, report);
    }
    fill(keys, places, report, values::get);
    return report;
  }

  static Map<String, AdapterTensor> places(
      TunedModel model, String adapter, Map<String, AdapterTensor> required) {
    Map<String, AdapterTensor> places = new LinkedHashMap<>(required);
    AdapterKeys.optional(model, adapter).forEach(places::putIfAbsent);
    return places;
  }

  /** The values' keys by those of the model, compared with what the model has and needs. */
  static LoadReport compare(
      Map<String, String> keys,
      Function<String, Shape> shapes,
      Map<String, AdapterTensor> required,
      Map<String, AdapterTensor> places) {
    List<String> missing =
        required.keySet().stream().filter(name -> !keys.containsKey(name)).toList();
    List<String> unexpected = new ArrayList<>();
    Map<String, ShapeConflict> mismatched = new LinkedHashMap<>();
    keys.forEach(
        (name, key) -> {
          AdapterTensor place = places.get(name);
          Shape shape = shapes.apply(key);
          if (place == null && repeats(name, places)) {
            return;
          }
          if (place == null) {
            unexpected.add(key);
          } else if (!place.shape().equals(shape)) {
            mismatched.put(name, new ShapeConflict(shape, place.shape()));
          }
        });
    return new LoadReport(missing, List.copyOf(unexpected), mismatched);
  }

  /**
   * Whether a key is one more of what has a place: with bias="all", and where tokens were added,
   * Python writes layers that are trained in full under the names that its wrapper has in memory
   * too; and trained tokens of a tied head.
   */
  private static boolean repeats(String name, Map<String, AdapterTensor> places) {
    if (name.endsWith(TOKENS)) {
      return places.keySet().stream().anyMatch(other -> other.endsWith(TOKENS));
    }
    return (name.endsWith(".bias") || name.contains(".modules_to_save."))
        && WRAPPED.stream()
            .map(part -> part.matcher(name).replaceFirst("."))
            .anyMatch(other -> !other.equals(name) && places.containsKey(other));
  }

  /** Copies what fits. */
  static void fill(
      Map<String, String> keys,
      Map<String, AdapterTensor> places,
      LoadReport report,
      Function<String, Tensor> values) {
    keys.forEach(
        (name, key) -> {
          AdapterTensor place = places.get(name);
          if (place != null && !report.mismatched().containsKey(name)) {
            try (TensorScope scope = TensorScope.open("load adapter")) {
              place.write().accept(values.apply(key));
            }
          }
        });
  }

  /** The first few places whose sizes differ. */
  static String shapes(LoadReport report) {
    return some(
        "; ",
        report.mismatched().entrySet().stream()
            .map(
                entry ->
                    entry.getKey()
                        + " is "
                        + entry.getValue().inFile()
                        + " in the file, "
                        + entry.getValue().inModule()
                        + " here")
            .toList());
  }

  /** The first few of these texts. */
  static String some(String separator, List<String> texts) {
    int shown = Math.min(3, texts.size());
    return String.join(separator, texts.subList(0, shown))
        + (texts.size() > shown ? " and " + (texts.size() - shown) + " more" : "");
  }

  private static String bare(String key) {
    return key.startsWith(AdapterKeys.PREFIX) ? key.substring(AdapterKeys.PREFIX.length()) : key;
  }
}
