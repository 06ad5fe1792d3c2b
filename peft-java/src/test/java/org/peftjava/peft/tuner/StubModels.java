package org.peftjava.peft.tuner;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.Goldens;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;

/** Module trees with the names of Python's models, without memory for their weights. */
public final class StubModels {
  private StubModels() {}

  /** A module that only has children. */
  static final class Container extends Module {
    void put(String name, Module module) {
      child(name, module);
    }
  }

  /** The model of this name in matching.json. */
  public static BaseModel named(String name) {
    JsonNode model = Goldens.json(Goldens.path("matching.json")).at("/models/" + name);
    Map<String, Module> modules = new HashMap<>();
    String className = "";
    for (JsonNode entry : model.get("modules")) {
      String path = entry.get("name").textValue();
      Module module = module(entry);
      modules.put(path, module);
      if (path.isEmpty()) {
        className = entry.get("type").textValue();
      } else {
        int dot = path.lastIndexOf('.');
        ((Container) modules.get(dot < 0 ? "" : path.substring(0, dot)))
            .put(path.substring(dot + 1), module);
      }
    }
    return new BaseModel(
        modules.get(""),
        className,
        "test",
        Optional.ofNullable(model.get("modelType").textValue()),
        Optional.empty(),
        Optional.ofNullable(model.get("outputEmbeddings").textValue()));
  }

  private static Module module(JsonNode entry) {
    String type = entry.get("type").textValue();
    if (type.equals("Linear")) {
      return new Linear(
          entry.get("in").asLong(),
          entry.get("out").asLong(),
          entry.get("bias").booleanValue(),
          DType.FLOAT32);
    } else if (type.equals("Conv1D")) {
      return new Conv1D(entry.get("in").asLong(), entry.get("out").asLong(), DType.FLOAT32);
    } else if (entry.has("in")) {
      return new Embedding(entry.get("in").asLong(), entry.get("out").asLong(), DType.FLOAT32);
    }
    return type.equals("LayerNorm") ? new LayerNorm(16, 1e-5, DType.FLOAT32) : new Container();
  }
}
