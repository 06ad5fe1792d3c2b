package org.peftjava.transformers;

import org.junit.jupiter.api.Nested;

/** The heads of every architecture beside transformers; T5's, which differ, are in T5HeadsTest. */
class HeadsTest {
  @Nested
  class Bert extends HeadContract {
    Bert() {
      super("heads_bert");
    }
  }

  @Nested
  class DistilBert extends HeadContract {
    DistilBert() {
      super("heads_distilbert");
    }
  }

  @Nested
  class Roberta extends HeadContract {
    Roberta() {
      super("heads_roberta");
    }
  }

  @Nested
  class Bloom extends HeadContract {
    Bloom() {
      super("heads_bloom");
    }
  }

  @Nested
  class Gemma2 extends HeadContract {
    Gemma2() {
      super("heads_gemma2");
    }
  }

  @Nested
  class Gemma3 extends HeadContract {
    Gemma3() {
      super("heads_gemma3");
    }
  }

  @Nested
  class Gpt2 extends HeadContract {
    Gpt2() {
      super("heads_gpt2");
    }
  }

  @Nested
  class Llama extends HeadContract {
    Llama() {
      super("heads_llama");
    }
  }

  @Nested
  class Mistral extends HeadContract {
    Mistral() {
      super("heads_mistral");
    }
  }

  @Nested
  class Opt extends HeadContract {
    Opt() {
      super("heads_opt");
    }
  }

  @Nested
  class Phi3 extends HeadContract {
    Phi3() {
      super("heads_phi3");
    }
  }

  @Nested
  class Qwen2 extends HeadContract {
    Qwen2() {
      super("heads_qwen2");
    }
  }

  @Nested
  class Qwen3 extends HeadContract {
    Qwen3() {
      super("heads_qwen3");
    }
  }

  @Nested
  class XlmRoberta extends HeadContract {
    XlmRoberta() {
      super("heads_xlm_roberta");
    }
  }

  @Nested
  class Camembert extends HeadContract {
    Camembert() {
      super("heads_camembert");
    }
  }

  @Nested
  class Gemma extends HeadContract {
    Gemma() {
      super("heads_gemma");
    }
  }

  @Nested
  class GptNeoX extends HeadContract {
    GptNeoX() {
      super("heads_gpt_neox");
    }
  }

  @Nested
  class GptJ extends HeadContract {
    GptJ() {
      super("heads_gptj");
    }
  }

  @Nested
  class Phi extends HeadContract {
    Phi() {
      super("heads_phi");
    }
  }

  @Nested
  class Starcoder2 extends HeadContract {
    Starcoder2() {
      super("heads_starcoder2");
    }
  }

  @Nested
  class DebertaV2 extends HeadContract {
    DebertaV2() {
      super("heads_deberta_v2");
    }
  }

  @Nested
  class DebertaV3 extends HeadContract {
    DebertaV3() {
      super("heads_deberta_v3");
    }
  }

  @Nested
  class DebertaWithoutContentToPosition extends HeadContract {
    DebertaWithoutContentToPosition() {
      super("heads_deberta_p2c");
    }
  }

  @Nested
  class DebertaWithoutDistances extends HeadContract {
    DebertaWithoutDistances() {
      super("heads_deberta_plain");
    }
  }

  @Nested
  class Electra extends HeadContract {
    Electra() {
      super("heads_electra");
    }
  }
}
