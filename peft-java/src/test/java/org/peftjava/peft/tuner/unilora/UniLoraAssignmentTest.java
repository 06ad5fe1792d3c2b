package org.peftjava.peft.tuner.unilora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.peft.Goldens;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Linear;

class UniLoraAssignmentTest {
  private static final int SHOWN_FIRST = 8;
  private static final int SHOWN_LAST = 4;

  @Test
  void indicesAreNumpys() {
    for (JsonNode row : Goldens.json(Goldens.path("unilora_indices.json"))) {
      int count = row.get(0).intValue();
      int[] indices =
          UniLoraAssignment.indices(count, row.get(1).intValue(), row.get(2).longValue());
      long weighted = 0;
      for (int i = 0; i < count; i++) {
        weighted += indices[i] * (i % 1009L + 1);
      }
      int shown = row.size() - 4;
      for (int i = 0; i < shown; i++) {
        int place = i < shown - SHOWN_LAST ? i : count - shown + i;
        assertEquals(row.get(4 + i).intValue(), indices[place], row + " at " + place);
      }
      assertTrue(shown <= SHOWN_FIRST + SHOWN_LAST);
      assertEquals(row.get(3).longValue(), weighted, row.toString());
    }
  }

  @Test
  void tooManyPlacesAreRefused() {
    UniLoraConfig config = UniLoraConfig.builder().r(40_000).build();
    Linear layer = new Linear(10_000, 10_000, false, DType.FLOAT32);
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> UniLoraAssignment.of(config, Map.of("fc", layer)))
            .getMessage();
    assertTrue(message.contains("r 40000") && message.contains("800000000 places"), message);
  }
}
