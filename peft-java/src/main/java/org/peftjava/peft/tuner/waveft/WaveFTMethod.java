package org.peftjava.peft.tuner.waveft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.RandomPlaces;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** WaveFT. Reference: PEFT {@code tuners/waveft/model.py::WaveFTModel}. */
public final class WaveFTMethod extends LayerTunerMethod<WaveFTConfig> {
  private static final Init RANDOM = Init.normal(0.01);

  /** The method; {@code TunerMethods} has it. */
  public WaveFTMethod() {
    super("WAVEFT", "WaveFTModel", "waveft_", WaveFTConfig.class, DefaultTargets.of("waveft"));
  }

  @Override
  public WaveFTConfig parse(Map<String, ? extends @Nullable Object> values) {
    return WaveFTConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return "waveft.WaveFT" + kind;
  }

  /** Each layer's share of all coefficients, if they are shared out by size. */
  @Override
  public SharedWeights newShared(WaveFTConfig config, Map<String, Module> layers) {
    if (!config.proportionalParameters()) {
      return SharedWeights.NONE;
    }
    double all = layers.values().stream().mapToLong(WaveFTMethod::size).sum();
    double budget = (double) config.nFrequency() * layers.size();
    Map<String, Integer> counts = new LinkedHashMap<>();
    layers.forEach(
        (path, layer) ->
            counts.put(path, Math.max(1, (int) Math.rint(size(layer) / all * budget))));
    return new SharedWeights(List.of(), counts);
  }

  private static long size(Module layer) {
    LinearLayer linear = (LinearLayer) layer;
    return linear.inFeatures() * linear.outFeatures();
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, WaveFTConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    Map<String, Integer> counts = site.shared().numbers();
    int count =
        counts.containsKey(site.path())
            ? Objects.requireNonNull(counts.get(site.path()))
            : pattern(config, "n_frequency_pattern", site.path())
                .orElse(config.nFrequency())
                .intValue();
    Parameter places = RandomPlaces.of("WaveFTConfig", site, count, config.randomLocSeed());
    Init init = config.initWeights() ? Init.zeros() : RANDOM;
    Optional<Wavelet> wavelet =
        config.useIdwt() ? Optional.of(Wavelet.of(config.waveletFamily())) : Optional.empty();
    wavelet.ifPresent(own -> own.moveToMiddle(places, out, in));
    return new WaveFTAdapter(
        site.parameter(init, count), places, out, in, config.scaling(), wavelet);
  }
}
