package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The class behind every Auto class for every architecture: the mappings in transformers 5.17's
 * {@code modeling_auto.py}. "-": there is none. Of T5 the base model is the encoder alone; BART's
 * decoder alone and its model under masks are not there.
 */
class HeadTableTest {
  @ParameterizedTest
  @CsvSource({
    "bart, BartModel, -, -, BartForConditionalGeneration, BartForSequenceClassification, -"
        + ", BartForQuestionAnswering",
    "bert, BertModel, BertLMHeadModel, BertForMaskedLM, -, BertForSequenceClassification"
        + ", BertForTokenClassification, BertForQuestionAnswering",
    "bloom, BloomModel, BloomForCausalLM, -, -, BloomForSequenceClassification"
        + ", BloomForTokenClassification, BloomForQuestionAnswering",
    "camembert, CamembertModel, CamembertForCausalLM, CamembertForMaskedLM, -"
        + ", CamembertForSequenceClassification, CamembertForTokenClassification"
        + ", CamembertForQuestionAnswering",
    "deberta-v2, DebertaV2Model, -, DebertaV2ForMaskedLM, -"
        + ", DebertaV2ForSequenceClassification, DebertaV2ForTokenClassification"
        + ", DebertaV2ForQuestionAnswering",
    "distilbert, DistilBertModel, -, DistilBertForMaskedLM, -"
        + ", DistilBertForSequenceClassification, DistilBertForTokenClassification"
        + ", DistilBertForQuestionAnswering",
    "electra, ElectraModel, ElectraForCausalLM, ElectraForMaskedLM, -"
        + ", ElectraForSequenceClassification, ElectraForTokenClassification"
        + ", ElectraForQuestionAnswering",
    "gemma, GemmaModel, GemmaForCausalLM, -, -, GemmaForSequenceClassification"
        + ", GemmaForTokenClassification, -",
    "gemma2, Gemma2Model, Gemma2ForCausalLM, -, -, Gemma2ForSequenceClassification"
        + ", Gemma2ForTokenClassification, -",
    "gemma3_text, Gemma3TextModel, Gemma3ForCausalLM, -, -"
        + ", Gemma3TextForSequenceClassification, -, -",
    "gpt2, GPT2Model, GPT2LMHeadModel, -, -, GPT2ForSequenceClassification"
        + ", GPT2ForTokenClassification, GPT2ForQuestionAnswering",
    "gpt_neox, GPTNeoXModel, GPTNeoXForCausalLM, -, -, GPTNeoXForSequenceClassification"
        + ", GPTNeoXForTokenClassification, GPTNeoXForQuestionAnswering",
    "gptj, GPTJModel, GPTJForCausalLM, -, -, GPTJForSequenceClassification, -"
        + ", GPTJForQuestionAnswering",
    "granite, GraniteModel, GraniteForCausalLM, -, -, -, -, -",
    "llama, LlamaModel, LlamaForCausalLM, -, -, LlamaForSequenceClassification"
        + ", LlamaForTokenClassification, LlamaForQuestionAnswering",
    "mistral, MistralModel, MistralForCausalLM, -, -, MistralForSequenceClassification"
        + ", MistralForTokenClassification, MistralForQuestionAnswering",
    "mt5, MT5EncoderModel, -, -, MT5ForConditionalGeneration, MT5ForSequenceClassification"
        + ", MT5ForTokenClassification, MT5ForQuestionAnswering",
    "opt, OPTModel, OPTForCausalLM, -, -, OPTForSequenceClassification, -"
        + ", OPTForQuestionAnswering",
    "phi, PhiModel, PhiForCausalLM, -, -, PhiForSequenceClassification"
        + ", PhiForTokenClassification, -",
    "phi3, Phi3Model, Phi3ForCausalLM, -, -, Phi3ForSequenceClassification"
        + ", Phi3ForTokenClassification, -",
    "qwen2, Qwen2Model, Qwen2ForCausalLM, -, -, Qwen2ForSequenceClassification"
        + ", Qwen2ForTokenClassification, Qwen2ForQuestionAnswering",
    "qwen3, Qwen3Model, Qwen3ForCausalLM, -, -, Qwen3ForSequenceClassification"
        + ", Qwen3ForTokenClassification, Qwen3ForQuestionAnswering",
    "roberta, RobertaModel, RobertaForCausalLM, RobertaForMaskedLM, -"
        + ", RobertaForSequenceClassification, RobertaForTokenClassification"
        + ", RobertaForQuestionAnswering",
    "starcoder2, Starcoder2Model, Starcoder2ForCausalLM, -, -, Starcoder2ForSequenceClassification"
        + ", Starcoder2ForTokenClassification, -",
    "t5, T5EncoderModel, -, -, T5ForConditionalGeneration, T5ForSequenceClassification"
        + ", T5ForTokenClassification, T5ForQuestionAnswering",
    "xlm-roberta, XLMRobertaModel, XLMRobertaForCausalLM, XLMRobertaForMaskedLM, -"
        + ", XLMRobertaForSequenceClassification, XLMRobertaForTokenClassification"
        + ", XLMRobertaForQuestionAnswering"
  })
  void headsAsInTransformers(
      String type,
      String base,
      String causal,
      String masked,
      String seq2seq,
      String sequence,
      String token,
      String span) {
    Map<Task, String> expected = new TreeMap<>();
    expected.put(Task.FEATURE_EXTRACTION, base);
    expected.put(Task.CAUSAL_LM, causal);
    expected.put(Task.MASKED_LM, masked);
    expected.put(Task.SEQ_2_SEQ_LM, seq2seq);
    expected.put(Task.SEQUENCE_CLASSIFICATION, sequence);
    expected.put(Task.TOKEN_CLASSIFICATION, token);
    expected.put(Task.QUESTION_ANSWERING, span);
    expected.values().removeIf("-"::equals);
    Architecture architecture = Architectures.get(type);
    Map<Task, String> actual = new TreeMap<>();
    architecture.tasks().forEach(task -> actual.put(task, architecture.className(task)));
    assertEquals(expected, actual);
  }

  @Test
  void everyArchitectureIsInTheTable() {
    CsvSource table =
        Arrays.stream(HeadTableTest.class.getDeclaredMethods())
            .filter(method -> method.getName().equals("headsAsInTransformers"))
            .findFirst()
            .orElseThrow()
            .getAnnotation(CsvSource.class);
    assertEquals(
        Architectures.all().stream().map(Architecture::modelType).collect(Collectors.toSet()),
        Arrays.stream(table.value())
            .map(row -> row.substring(0, row.indexOf(',')))
            .collect(Collectors.toSet()));
  }
}
