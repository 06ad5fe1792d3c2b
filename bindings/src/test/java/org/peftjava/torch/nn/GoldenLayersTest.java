package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LedgerCheck;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.Values;

/**
 * Embedding, Linear and Conv1D against Python's ({@code golden/custom_layers}): {@code
 * conv(relu(lin(emb(ids))))}.
 */
@ExtendWith(LedgerCheck.class)
class GoldenLayersTest {
  private static final Path FOLDER =
      Path.of("../integration-tests/src/test/resources/golden/custom_layers");
  private static final Pattern ENTRY =
      Pattern.compile(
          "\"([^\"]+)\":\\{\"dtype\":\"(\\w+)\",\"shape\":\\[([\\d,]*)\\],"
              + "\"data_offsets\":\\[(\\d+),(\\d+)\\]\\}");

  /** The custom model of the golden data. */
  private static final class Model extends Module {
    final Embedding emb = child("emb", new Embedding(11, 6, OptionalLong.of(0), DType.FLOAT32));
    final Linear lin = child("lin", new Linear(6, 8, false, DType.FLOAT32));
    final Conv1D conv = child("conv", new Conv1D(8, 5, DType.FLOAT32));
  }

  @Test
  void layersGivePythonsNumbers() throws IOException {
    try (Model model = new Model();
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> base = read(FOLDER.resolve("base/model.safetensors"));
      Map<String, Tensor> io = read(FOLDER.resolve("io.safetensors"));
      assertEquals(model.namedState().keySet(), base.keySet());
      assertTrue(StateDict.load(model, base, StateDict.Mode.ADOPT).isClean());
      Tensor embedded = model.emb.forward(io.get("in.input_ids"));
      Tensor hidden = model.lin.forward(embedded);
      Tensor output = model.conv.forward(Ops.relu(hidden));
      Values.assertClose(io.get("base.output").toFloats(), output.toFloats(), 1e-5, "base.output");
    }
  }

  /** merged.weight is the adapted model as plain layers: each layer by itself. */
  @Test
  void eachLayerGivesPythonsNumbers() throws IOException {
    try (Model model = new Model();
        TensorScope scope = TensorScope.open("test")) {
      Map<String, Tensor> io = read(FOLDER.resolve("io.safetensors"));
      Map<String, Tensor> merged = new HashMap<>();
      io.forEach(
          (name, tensor) -> {
            if (name.startsWith("merged.weight.")) {
              merged.put(name.substring("merged.weight.".length()), tensor);
            }
          });
      assertTrue(StateDict.load(model, merged, StateDict.Mode.COPY).isClean());
      Map<String, Layer> layers = Map.of("emb", model.emb, "lin", model.lin, "conv", model.conv);
      layers.forEach(
          (name, layer) ->
              Values.assertClose(
                  io.get("layer." + name + ".output").toFloats(),
                  layer.forward(io.get("layer." + name + ".input")).toFloats(),
                  1e-5,
                  name));
    }
  }

  /** A safetensors file: header length, header, data. */
  private static Map<String, Tensor> read(Path file) throws IOException {
    byte[] content = Files.readAllBytes(file);
    int header =
        (int)
            Creation.ofBytes(content, content.length).narrow(0, 0, 8).viewAs(DType.INT64).toLong();
    Map<String, Tensor> tensors = new HashMap<>();
    Matcher entry = ENTRY.matcher(new String(content, 8, header, StandardCharsets.UTF_8));
    while (entry.find()) {
      int start = 8 + header + Integer.parseInt(entry.group(4));
      int end = 8 + header + Integer.parseInt(entry.group(5));
      byte[] bytes = Arrays.copyOfRange(content, start, end);
      long[] shape =
          Stream.of(entry.group(3).split(","))
              .filter(size -> !size.isEmpty())
              .mapToLong(Long::parseLong)
              .toArray();
      tensors.put(
          entry.group(1),
          Creation.ofBytes(bytes, bytes.length)
              .viewAs(DType.ofSafetensors(entry.group(2)))
              .reshape(shape));
    }
    return tensors;
  }
}
