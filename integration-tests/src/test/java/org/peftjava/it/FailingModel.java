package org.peftjava.it;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.CustomGradient;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.KvCache;

/** A model that fails in a chosen forward or backward pass, when its graph is built already. */
final class FailingModel implements CausalLanguageModel {
  /** Where a step fails. */
  enum Place {
    FORWARD,
    BACKWARD
  }

  private final CausalLanguageModel model;
  private Place place = Place.FORWARD;
  private int remaining = Integer.MAX_VALUE;

  FailingModel(CausalLanguageModel model) {
    this.model = model;
  }

  /** Fails in the pass of this number from now, counted from 1. */
  void failAt(Place newPlace, int pass) {
    place = newPlace;
    remaining = pass;
  }

  @Override
  public void saveForHub(Path folder, PushOptions options) {
    model.saveForHub(folder, options);
  }

  @Override
  public String hubName() {
    return model.hubName();
  }

  @Override
  public ModelOutput forward(ModelInput input) {
    ModelOutput output = model.forward(input);
    remaining--;
    if (remaining != 0) {
      return output;
    }
    if (place == Place.FORWARD) {
      throw new SoakRun.OnPurpose();
    }
    Tensor loss = output.loss().orElseThrow();
    Tensor failing =
        CustomGradient.of(
            loss.detach().mul(1),
            List.of(loss),
            List.of(),
            (gradient, saved) -> {
              throw new SoakRun.OnPurpose();
            });
    // A sum, so that the backward pass reaches the model on one branch before it fails or after.
    return new ModelOutput(Optional.of(loss.add(failing)), output.logits());
  }

  @Override
  public PretrainedConfig config() {
    return model.config();
  }

  @Override
  public GenerationConfig generationConfig() {
    return model.generationConfig();
  }

  @Override
  public Architecture architecture() {
    return model.architecture();
  }

  @Override
  public Module module() {
    return model.module();
  }

  @Override
  public Device device() {
    return model.device();
  }

  @Override
  public DType dtype() {
    return model.dtype();
  }

  @Override
  public KvCache newCache(long capacity) {
    return model.newCache(capacity);
  }

  @Override
  public void gradientCheckpointing(boolean on) {
    model.gradientCheckpointing(on);
  }

  @Override
  public void savePretrained(Path folder) {
    model.savePretrained(folder);
  }

  @Override
  public void loadWeights(Path folder) {
    model.loadWeights(folder);
  }

  /** The wrapped model is somebody else's. */
  @Override
  public void close() {}
}
