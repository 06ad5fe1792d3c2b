package org.peftjava.transformers.tokenizer;

import java.util.Optional;
import java.util.OptionalLong;

/** The special tokens of a tokenizer by their roles. */
public interface SpecialTokenRoles {
  /** The text of a special token by its role, such as "eos_token". */
  Optional<String> specialToken(String role);

  /** The id of a special token by its role. */
  OptionalLong specialTokenId(String role);

  /** The token that begins a text. */
  default Optional<String> bosToken() {
    return specialToken("bos_token");
  }

  /** The token that ends a text. */
  default Optional<String> eosToken() {
    return specialToken("eos_token");
  }

  /** The token for what the vocabulary does not have. */
  default Optional<String> unkToken() {
    return specialToken("unk_token");
  }

  /** The token between two texts. */
  default Optional<String> sepToken() {
    return specialToken("sep_token");
  }

  /** The token that fills short rows. */
  default Optional<String> padToken() {
    return specialToken("pad_token");
  }

  /** The token whose output stands for the whole text. */
  default Optional<String> clsToken() {
    return specialToken("cls_token");
  }

  /** The token that hides a word. */
  default Optional<String> maskToken() {
    return specialToken("mask_token");
  }

  /** The token that begins a text. */
  default OptionalLong bosTokenId() {
    return specialTokenId("bos_token");
  }

  /** The token that ends a text. */
  default OptionalLong eosTokenId() {
    return specialTokenId("eos_token");
  }

  /** The token for what the vocabulary does not have. */
  default OptionalLong unkTokenId() {
    return specialTokenId("unk_token");
  }

  /** The token between two texts. */
  default OptionalLong sepTokenId() {
    return specialTokenId("sep_token");
  }

  /** The token that fills short rows. */
  default OptionalLong padTokenId() {
    return specialTokenId("pad_token");
  }

  /** The token whose output stands for the whole text. */
  default OptionalLong clsTokenId() {
    return specialTokenId("cls_token");
  }

  /** The token that hides a word. */
  default OptionalLong maskTokenId() {
    return specialTokenId("mask_token");
  }
}
