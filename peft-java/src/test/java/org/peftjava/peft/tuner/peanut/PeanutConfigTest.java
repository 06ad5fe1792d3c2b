package org.peftjava.peft.tuner.peanut;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PeanutConfigTest {
  @Test
  void anUnknownNonlinearityIsRefused() {
    PeanutConfig.Builder builder = PeanutConfig.builder().actFn("square");
    String message = assertThrows(IllegalArgumentException.class, builder::build).getMessage();
    assertTrue(message.contains("actFn is 'square'") && message.contains("silu"), message);
  }
}
