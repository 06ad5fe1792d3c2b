package org.peftjava.peft.tuner.lora.adalora;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.peftjava.peft.Goldens;
import org.peftjava.peft.PeftConfig;

/** The number of ranks at each step against Python. */
class BudgetScheduleTest {
  @Test
  void budgetsArePythons() {
    JsonNode steps = Goldens.json(Goldens.path("adalora_schedule/case.json")).get("steps");
    AdaLoraConfig config =
        (AdaLoraConfig) PeftConfig.fromPretrained(Goldens.path("adalora_schedule/initial"));
    BudgetSchedule schedule = new BudgetSchedule(24, 4, config);
    assertEquals(
        IntStream.range(0, steps.size()).mapToObj(i -> steps.get(i).get("budget").asInt()).toList(),
        IntStream.range(0, steps.size()).mapToObj(schedule::budget).toList());
  }

  @Test
  void nothingIsChosenOutsideOfTheShrinkingPhase() {
    AdaLoraConfig config =
        AdaLoraConfig.builder().tinit(3).tfinal(2).totalStep(12).deltaT(3).build();
    BudgetSchedule schedule = new BudgetSchedule(24, 4, config);
    assertEquals(
        List.of(6, 9, 10), IntStream.range(0, 14).filter(schedule::chooses).boxed().toList());
  }
}
