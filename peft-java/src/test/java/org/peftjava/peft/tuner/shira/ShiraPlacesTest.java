package org.peftjava.peft.tuner.shira;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** Places of a SHiRA file are checked before they are used. */
@ExtendWith(LedgerCheck.class)
class ShiraPlacesTest {
  @Test
  void placesOutsideTheWeightAreRefused() {
    ShiraConfig config = ShiraConfig.of(Map.of("peft_type", "SHIRA", "r", 1));
    LayerAdapter adapter = new ShiraMethod().newAdapter(Sites.linear(4, 3), config);
    try (TensorScope scope = TensorScope.open("test")) {
      AdapterTensor places = adapter.saved().get("shira_indices");
      long[] before = places.read().get().to(DType.INT64).toLongs();
      long[] wrong = before.clone();
      wrong[7 + 2] = 4; // seven rows, then seven columns, of which there are four
      Tensor file = Creation.ofLongs(wrong, 2, 7).to(DType.INT32);
      assertEquals(
          "A SHiRA adapter changes column 4 of a weight of 3 rows and 4 columns. Do the file and"
              + " the base model belong together?",
          assertThrows(IllegalArgumentException.class, () -> places.write().accept(file))
              .getMessage());
      assertArrayEquals(before, places.read().get().to(DType.INT64).toLongs());
      Tensor good = Creation.ofLongs(before, 2, 7).to(DType.INT32);
      places.write().accept(good);
    } finally {
      Sites.close(adapter);
    }
  }
}
