package org.peftjava.peft.tuner.adamss;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTraining;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** AdaMSS. Reference: PEFT {@code tuners/adamss/model.py::AdamssModel}. */
public final class AdamssMethod extends LayerTunerMethod<AdamssConfig> {
  private static final double DEVIATION = 0.01;

  /** The method; {@code TunerMethods} has it. */
  public AdamssMethod() {
    super("ADAMSS", "AdamssModel", "adamss_", AdamssConfig.class, DefaultTargets.LORA);
  }

  @Override
  public AdamssConfig parse(Map<String, ? extends @Nullable Object> values) {
    return AdamssConfig.of(values);
  }

  @Override
  public boolean readsBaseWeights() {
    return true;
  }

  @Override
  public List<String> warnings(AdamssConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    List<String> full =
        layers.entrySet().stream()
            .filter(entry -> config.r() >= ((LinearLayer) entry.getValue()).outFeatures())
            .map(Map.Entry::getKey)
            .toList();
    if (!full.isEmpty()) {
      result.add(
          "r "
              + config.r()
              + " is not below the outputs of "
              + full
              + ": all of them are equally far from each other, and rounding decides which share a"
              + " subspace. Choose a smaller r.");
    }
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, AdamssConfig config) {
    LinearLayer linear = site.linear();
    Init start = config.initWeights() ? Init.zeros() : Init.normal(DEVIATION);
    List<Parameter> a = new ArrayList<>();
    List<Parameter> b = new ArrayList<>();
    try (TensorScope scope = TensorScope.open("decompose");
        GradMode off = GradMode.noGrad()) {
      Subspaces subspaces = Subspaces.of(withBias(linear), config, site.path());
      for (int i = 0; i < subspaces.rows().size(); i++) {
        int cluster = i;
        long rank = subspaces.rank(i, config);
        long r = subspaces.left().size(1);
        a.add(
            site.parameter(
                tensor -> tensor.copyInPlace(subspaces.directions(cluster, rank)), rank, r));
        b.add(site.parameter(start, subspaces.rows().get(i).length, rank));
      }
      Parameter projection = kept(site, subspaces.right());
      projection.to(site.baseType());
      long[] places = subspaces.places();
      return new AdamssAdapter(
          List.copyOf(a),
          List.copyOf(b),
          projection,
          kept(site, Creation.ofLongs(places, places.length)),
          linear.inFeatures());
    } catch (RuntimeException e) {
      a.forEach(Parameter::close);
      b.forEach(Parameter::close);
      throw e;
    }
  }

  private static Tensor withBias(LinearLayer linear) {
    Tensor weight = linear.denseWeight(DType.FLOAT32);
    return linear
        .bias()
        .map(bias -> bias.tensor().detach().to(DType.FLOAT32).unsqueeze(1))
        .map(column -> Creation.cat(List.of(weight, column), 1))
        .orElse(weight);
  }

  private static Parameter kept(LayerSite site, Tensor values) {
    Parameter result =
        new Parameter(Shape.of(values.shape().toArray()), values.dtype(), Init.zeros());
    result.copyFrom(values);
    result.to(site.device());
    result.requiresGrad(false);
    return result;
  }

  @Override
  public Optional<AdapterTraining<AdamssConfig>> training(
      AdamssConfig config, Map<String, LayerAdapter> adapters) {
    if (!config.useAsa()) {
      return Optional.empty();
    }
    Map<String, AdamssAdapter> own = new LinkedHashMap<>();
    adapters.forEach((path, adapter) -> own.put(path, (AdamssAdapter) adapter));
    return Optional.of(new AdamssTraining(own));
  }
}
