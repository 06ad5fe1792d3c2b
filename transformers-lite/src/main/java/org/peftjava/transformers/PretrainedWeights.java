package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the weights of a folder into a model, by name, with transformers' tolerance: names may
 * lack the backbone's prefix, and a tied head may be absent.
 */
final class PretrainedWeights {
  private static final Logger LOG = LoggerFactory.getLogger(PretrainedWeights.class);
  private static final int NAMES_IN_ERRORS = 8;
  private static final long COMPARED_ROWS = 1024;

  private final CausalLM model;
  private final WeightSource source;
  private final Path folder;
  private final List<String> problems = new ArrayList<>();

  private PretrainedWeights(CausalLM model, WeightSource source, Path folder) {
    this.model = model;
    this.source = source;
    this.folder = folder;
  }

  /** Builds the model without memory and lets its parameters take over the mapped tensors. */
  static CausalLM load(
      Path folder, PretrainedConfig config, GenerationConfig generation, LoadOptions options) {
    try (WeightSource source = Checkpoints.open(folder)) {
      DType dtype = options.dtype().orElseGet(() -> dtypeOf(config, source));
      CausalLM model = new CausalLM(config, generation, dtype);
      try {
        PretrainedWeights weights = new PretrainedWeights(model, source, folder);
        weights.untieIfDifferent();
        Device device = options.deviceMap().device(model.namedState().keySet());
        weights.transfer((parameter, value) -> adopt(parameter, value, dtype, device));
      } catch (RuntimeException e) {
        model.close();
        throw e;
      }
      model.eval();
      return model;
    }
  }

  /** Copies the values into the memory that the model's parameters have already. */
  static void copyInto(CausalLM model, Path folder) {
    try (WeightSource source = Checkpoints.open(folder)) {
      new PretrainedWeights(model, source, folder).transfer(Parameter::copyFrom);
    }
  }

  private static void adopt(Parameter parameter, Tensor value, DType dtype, Device device) {
    Tensor placed = value.dtype().isFloatingPoint() ? value.to(dtype) : value;
    parameter.adopt(placed.to(device));
  }

  /** The config's type, else that of the first floating-point weight, as transformers' "auto". */
  private static DType dtypeOf(PretrainedConfig config, WeightSource source) {
    Optional<String> named =
        config.json().findString("dtype").or(() -> config.json().findString("torch_dtype"));
    return named
        .map(DType::parse)
        .or(
            () ->
                source.names().stream()
                    .map(source::dtype)
                    .filter(DType::isFloatingPoint)
                    .findFirst())
        .orElse(DType.FLOAT32);
  }

  private void transfer(BiConsumer<Parameter, Tensor> move) {
    Map<String, Parameter> state = model.namedState();
    Map<String, String> places = new LinkedHashMap<>();
    List<String> unexpected = new ArrayList<>();
    for (String key : source.names()) {
      Optional<String> place = place(key, state);
      if (place.isEmpty()) {
        unexpected.add(key);
      } else {
        places.putIfAbsent(place.get(), key);
      }
    }
    Set<Parameter> filled = Collections.newSetFromMap(new IdentityHashMap<>());
    state.forEach((name, parameter) -> check(name, parameter, places, filled));
    state.forEach(
        (name, parameter) -> {
          if (!filled.contains(parameter)) {
            problems.add(name + " " + parameter.shape() + " is missing");
          }
        });
    throwProblems();
    filled.clear();
    places.forEach(
        (name, key) -> {
          Parameter parameter = Objects.requireNonNull(state.get(name));
          if (filled.add(parameter)) {
            try (TensorScope scope = TensorScope.open("load weight")) {
              move.accept(parameter, source.tensor(key, parameter.dtype()));
            }
          }
        });
    if (!unexpected.isEmpty()) {
      LOG.warn("{} has weights that the model does not use: {}", folder, some(unexpected));
    }
  }

  private void check(
      String name, Parameter parameter, Map<String, String> places, Set<Parameter> filled) {
    String key = places.get(name);
    if (key != null) {
      filled.add(parameter);
      if (!source.shape(key).equals(parameter.shape())) {
        problems.add(
            key + " is " + source.shape(key) + " in the file, " + parameter.shape() + " expected");
      }
    }
  }

  /** The model's name for a key of the file: the same, or with the backbone's prefix before it. */
  private Optional<String> place(String key, Map<String, Parameter> state) {
    if (state.containsKey(key)) {
      return Optional.of(key);
    }
    String prefixed = model.architecture().baseModelPrefix() + "." + key;
    return state.containsKey(prefixed) ? Optional.of(prefixed) : Optional.empty();
  }

  private void throwProblems() {
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(
          "The weights in "
              + folder
              + " do not fit "
              + model.architecture().causalLmClass()
              + ": "
              + some(problems)
              + ". Do config.json and the weights belong together?");
    }
  }

  /**
   * A file may hold a head that differs from the token embedding although the config says that they
   * are one; then they are not, as in transformers.
   */
  private void untieIfDifferent() {
    Optional<String> head = keyOf(CausalLM.HEAD + ".weight");
    Optional<String> table = model.isTied() ? keyOf(model.tableName()) : Optional.empty();
    if (head.isEmpty() || table.isEmpty()) {
      return;
    }
    if (!source.shape(head.get()).equals(source.shape(table.get()))
        || !equal(head.get(), table.get())) {
      LOG.warn(
          "config.json of {} ties the head to the token embedding, but the file holds different"
              + " values for them: they stay separate.",
          folder);
      model.untie();
    }
  }

  private Optional<String> keyOf(String name) {
    Map<String, Parameter> state = model.namedState();
    return source.names().stream()
        .filter(key -> place(key, state).equals(Optional.of(name)))
        .findFirst();
  }

  private boolean equal(String first, String second) {
    if (source.sameElements(first, second)) {
      return true;
    }
    long rows = source.shape(first).get(0);
    for (long start = 0; start < rows; start += COMPARED_ROWS) {
      try (TensorScope scope = TensorScope.open("compare")) {
        long length = Math.min(COMPARED_ROWS, rows - start);
        Tensor a = source.tensor(first).narrow(0, start, length).to(DType.FLOAT32);
        Tensor b = source.tensor(second).narrow(0, start, length).to(DType.FLOAT32);
        if (a.sub(b).abs().max().toDouble() != 0) {
          return false;
        }
      }
    }
    return true;
  }

  private static String some(List<String> names) {
    String shown = String.join(", ", names.subList(0, Math.min(NAMES_IN_ERRORS, names.size())));
    int more = names.size() - NAMES_IN_ERRORS;
    return more > 0 ? shown + " and " + more + " more" : shown;
  }
}
