package org.peftjava.peft;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoConfig;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * A small model that was trained beside a larger one, with the map from its hidden states to the
 * other's: a checkpoint of {@code model_type} "causal_lm_with_hidden_projection".
 *
 * <p>Reference: PEFT {@code tuners/shadow/model.py::ShadowModel._load_projected_shadow_backbone}.
 *
 * @param projection (size of the other's hidden states, its size)
 */
record ProjectedShadow(FeatureExtraction model, Parameter projection) {
  private static final String MODEL_TYPE = "causal_lm_with_hidden_projection";
  private static final String PREFIX = "shadow_model.";
  private static final String PROJECTION = "shadow_hidden_projection.weight";

  /** The checkpoint in a folder, if it is of this kind. */
  static Optional<ProjectedShadow> of(Path folder) {
    ConfigJson json = ConfigJson.read(folder.resolve("config.json"));
    if (!json.findString("model_type").equals(Optional.of(MODEL_TYPE))) {
      return Optional.empty();
    }
    ConfigJson inner =
        json.findObject("shadow_model_config")
            .orElseThrow(() -> json.invalid("shadow_model_config", "expected the shadow's config"));
    FeatureExtraction model = AutoModel.withoutWeights(AutoConfig.of(inner), DType.FLOAT32);
    Path file = folder.resolve("model.safetensors");
    try (TensorScope scope = TensorScope.open("projected shadow");
        WeightSource source = Safetensors.open(file)) {
      checkNames(file, source, model.module().namedState().keySet());
      model.module().namedState().forEach((name, value) -> fill(file, source, name, value));
      if (!source.names().contains(PROJECTION) || source.shape(PROJECTION).rank() != 2) {
        throw new InvalidFileException(
            file, "a projected shadow model needs the matrix " + PROJECTION);
      }
      Tensor values = source.tensor(PROJECTION, DType.FLOAT32);
      Parameter projection = new Parameter(values.shape(), DType.FLOAT32, Init.zeros());
      projection.copyFrom(values);
      return Optional.of(new ProjectedShadow(model, projection));
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private static void checkNames(Path file, WeightSource source, Set<String> expected) {
    Set<String> found = new TreeSet<>();
    source.names().stream()
        .filter(name -> name.startsWith(PREFIX))
        .forEach(name -> found.add(name.substring(PREFIX.length())));
    Set<String> missing = new TreeSet<>(expected);
    missing.removeAll(found);
    found.removeAll(expected);
    if (!missing.isEmpty() || !found.isEmpty()) {
      throw new InvalidFileException(
          file, "the shadow model lacks " + missing + " and has unexpected " + found);
    }
  }

  private static void fill(Path file, WeightSource source, String name, Parameter parameter) {
    if (!source.shape(PREFIX + name).equals(parameter.shape())) {
      throw new InvalidFileException(
          file,
          PREFIX
              + name
              + " has shape "
              + source.shape(PREFIX + name)
              + ", expected "
              + parameter.shape());
    }
    parameter.copyFrom(source.tensor(PREFIX + name, DType.FLOAT32));
  }
}
