package org.peftjava.peft.tuner.lora;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.peftjava.peft.tuner.AdapterTraining;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * What KaSA and MonteCLoRA add to the loss of a pass in training. Reference: PEFT {@code
 * LoraModel._get_kasa_loss, _get_monteclora_loss}, which callers add themselves there.
 */
final class VariantTraining implements AdapterTraining<LoraConfig> {
  private final List<LayerAdapter> adapters;
  private final Optional<KasaConfig> kasa;

  private VariantTraining(Collection<LayerAdapter> adapters, Optional<KasaConfig> kasa) {
    this.adapters = List.copyOf(adapters);
    this.kasa = kasa;
  }

  /** That of an adapter, if it has some. */
  static Optional<AdapterTraining<LoraConfig>> of(
      LoraConfig config, Collection<LayerAdapter> adapters) {
    return config.kasaConfig().isPresent() || config.montecloraConfig().isPresent()
        ? Optional.of(new VariantTraining(adapters, config.kasaConfig()))
        : Optional.empty();
  }

  /** KaSA's is the sum over the layers, MonteCLoRA's the mean of those that were drawn. */
  @Override
  public Tensor penalty() {
    List<Tensor> parts = adapters.stream().map(this::penalty).flatMap(Optional::stream).toList();
    return parts.stream()
        .reduce(Tensor::add)
        .map(sum -> kasa.isPresent() ? sum : sum.div((double) parts.size()))
        .orElseGet(() -> Creation.zeros(DType.FLOAT32));
  }

  private Optional<Tensor> penalty(LayerAdapter adapter) {
    if (adapter instanceof KasaAdapter own) {
      return own.penalty(kasa.orElseThrow());
    }
    return adapter instanceof MontecloraAdapter own ? own.penalty() : Optional.empty();
  }

  @Override
  public LoraConfig afterStep(int step, LoraConfig config) {
    return config;
  }

  @Override
  public LoraConfig adopt(LoraConfig config, LoraConfig saved) {
    return config;
  }

  @Override
  public Map<String, Tensor> state() {
    return Map.of();
  }

  /** There is none. */
  @Override
  public void load(Map<String, Tensor> state) {
    Objects.requireNonNull(state);
  }

  @Override
  public void close() {}
}
