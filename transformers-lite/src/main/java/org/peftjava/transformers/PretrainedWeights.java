package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StateDict;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.PretrainedConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Brings the weights of a folder into a model, by name, with transformers' tolerance: names may
 * have or lack the backbone's prefix, a tied head may be absent, and a head that the folder does
 * not have gets fresh values.
 */
final class PretrainedWeights {
  private static final Logger LOG = LoggerFactory.getLogger(PretrainedWeights.class);
  private static final long COMPARED_ROWS = 1024;

  private final CheckpointModel model;
  private final WeightSource source;
  private final Path folder;
  private final WeightNames names;
  private final Map<String, Parameter> state;

  /** Brings the value of one weight to where it belongs. */
  private interface Move {
    void accept(String name, String key, Parameter parameter);
  }

  private PretrainedWeights(CheckpointModel model, WeightSource source, Path folder) {
    this.model = model;
    this.source = source;
    this.folder = folder;
    state = model.module().namedState();
    names = WeightNames.match(model, source.names());
  }

  /** Builds the model without memory and lets its parameters take over the mapped tensors. */
  static <M extends CheckpointModel> M load(
      Path folder,
      PretrainedConfig config,
      LoadOptions options,
      BiFunction<PretrainedConfig, DType, M> factory) {
    try (WeightSource source = Checkpoints.open(folder)) {
      PretrainedConfig settings = QuantizedLoading.settings(config, options);
      DType dtype = options.dtype().orElseGet(() -> dtypeOf(config, source));
      M model = factory.apply(settings, dtype);
      try {
        untieIfDifferent(model, source, folder);
        QuantizedLoading quantized =
            QuantizedLoading.prepare(
                model, source, QuantizationJson.read(config).isPresent(), folder);
        new PretrainedWeights(model, source, folder).adopt(options, quantized);
      } catch (RuntimeException e) {
        model.close();
        throw e;
      }
      model.module().eval();
      return model;
    }
  }

  /** Copies the values into the memory that the model's parameters have already. */
  static void copyInto(CheckpointModel model, Path folder) {
    if (!ModelQuantization.layers(model.module()).isEmpty()) {
      throw new UnsupportedOperationException(
          "A quantized model cannot take other weights from "
              + folder
              + ". Load that folder with fromPretrained, or load an adapter.");
    }
    try (WeightSource source = Checkpoints.open(folder)) {
      PretrainedWeights weights = new PretrainedWeights(model, source, folder);
      WeightReport report = weights.compare();
      report.throwUnless(name -> false, name -> false);
      weights.transfer(
          report,
          (name, key, parameter) -> parameter.copyFrom(source.tensor(key, parameter.dtype())));
      report.warn();
    }
  }

  private void adopt(LoadOptions options, QuantizedLoading quantized) {
    WeightReport report = compare();
    report.throwUnless(
        name -> model.mayBeNew(name) && !quantized.isStored(name),
        name -> options.ignoreMismatchedSizes() && !quantized.isStored(name));
    quantized.checkTypes(names.keys(), source, state);
    Placement placement = Placement.of(model, options);
    transfer(
        report,
        (name, key, parameter) -> {
          Device device = placement.device(parameter);
          if (quantized.quantizes(name)) {
            source.read(key, values -> quantized.quantize(name, values, device));
          } else {
            adopt(parameter, source.tensor(key, parameter.dtype()), device);
          }
        });
    model.module().namedState().values().stream()
        .filter(parameter -> !parameter.isMaterialized())
        .forEach(
            parameter -> {
              parameter.initialize();
              parameter.to(placement.device(parameter));
            });
    quantized.finish();
    placement.install();
    report.warn();
    options.outputLoadingInfo().accept(report.info());
  }

  /** In the parameter's type, which need not be the model's: some weights stay in float32. */
  private static void adopt(Parameter parameter, Tensor value, Device device) {
    Tensor placed = value.dtype().isFloatingPoint() ? value.to(parameter.dtype()) : value;
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

  /** Holds what the file has against what the model needs. */
  private WeightReport compare() {
    Map<String, StateDict.ShapeConflict> mismatched = new LinkedHashMap<>();
    Set<Parameter> filled = Collections.newSetFromMap(new IdentityHashMap<>());
    names
        .keys()
        .forEach(
            (name, key) -> {
              Parameter parameter = Objects.requireNonNull(state.get(name));
              if (!source.shape(key).equals(parameter.shape())) {
                mismatched.put(
                    name, new StateDict.ShapeConflict(source.shape(key), parameter.shape()));
              } else {
                filled.add(parameter);
              }
            });
    Map<String, Shape> missing = new LinkedHashMap<>();
    state.forEach(
        (name, parameter) -> {
          if (!filled.contains(parameter) && !mismatched.containsKey(name)) {
            missing.put(name, parameter.shape());
          }
        });
    return new WeightReport(
        folder,
        model.architecture().className(model.task()),
        missing,
        mismatched,
        names.unexpected());
  }

  private void transfer(WeightReport report, Move move) {
    Set<Parameter> filled = Collections.newSetFromMap(new IdentityHashMap<>());
    names
        .keys()
        .forEach(
            (name, key) -> {
              Parameter parameter = Objects.requireNonNull(state.get(name));
              if (!report.mismatched().containsKey(name) && filled.add(parameter)) {
                try (TensorScope scope = TensorScope.open("load weight")) {
                  move.accept(name, key, parameter);
                }
              }
            });
  }

  /**
   * A file may hold a head that differs from the token embedding although the config says that they
   * are one; then they are not, as in transformers.
   */
  private static void untieIfDifferent(CheckpointModel model, WeightSource source, Path folder) {
    Ties ties = model.ties();
    WeightNames names = WeightNames.match(model, source.names());
    for (String tied : ties.tied()) {
      String first = names.keys().get(tied);
      String second = names.keys().get(Objects.requireNonNull(ties.names().get(tied)));
      if (first != null && second != null && !equal(source, first, second)) {
        LOG.atLevel(model.config().mayHoldAnotherHead() ? Level.DEBUG : Level.WARN)
            .log(
                "config.json of {} ties {} to {}, but the file holds different values for them:"
                    + " they stay separate.",
                folder,
                tied,
                ties.names().get(tied));
        ties.untie(tied);
      }
    }
  }

  private static boolean equal(WeightSource source, String first, String second) {
    if (source.sameElements(first, second)) {
      return true;
    }
    if (!source.shape(first).equals(source.shape(second))) {
      return false;
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
}
