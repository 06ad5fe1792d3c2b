package org.peftjava.transformers.jinja;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates come from anywhere: none may hang, eat memory, or reach Java. */
class HostileTemplatesTest {
  private static final Map<String, ?> VARIABLES =
      Map.of("messages", List.of(Map.of("role", "user", "content", "hello")));

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor"
            + " %}{% endfor %}{% endfor %}",
        "{% for a in range(100001) %}{% endfor %}",
        "{% for a in range(10 ** 18) %}x{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 100000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ 99999999999999999999999 }}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{%"
            + " endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{%"
            + " endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('a',"
            + " 'aaaa') %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x | tojson |"
            + " tojson %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor"
            + " %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{%"
            + " endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
            + "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{%"
            + " endfor %}{{ {ns.x: 1} }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% for x in [[]] recursive %}{{ loop([x]) }}{% endfor %}",
        "{{ '%999d' % 1 * 100000000 }}",
        "{{ '%s' | indent(1000000000) * 100000000 }}",
        "{{ messages | tojson(indent=1000000000) }}",
        "{{ '1'.zfill(1000000000) }}",
        "{{ messages.__class__.forName('java.lang.Runtime') }}",
        "{{ messages.getClass().forName('java.lang.Runtime') }}",
        "{{ messages[0].content.getClass() }}",
        "{{ ''.class.name.x }}",
        "{{ range.__globals__.x }}",
        "{{ namespace.call.x() }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'x'}) }}",
        "{% set messages.x = 1 %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
      })
  void areRefusedQuickly(String template) {
    String message =
        assertTimeoutPreemptively(
            Duration.ofSeconds(20),
            () ->
                assertThrows(
                        JinjaException.class,
                        () -> JinjaTemplate.parse(template).render(VARIABLES, LocalDateTime.MIN),
                        template)
                    .getMessage());
    assertTrue(message.length() > 10, message);
  }

  @Test
  void deepNestingIsRefused() {
    for (String[] pair :
        new String[][] {
          {"(", ")"}, {"[", "]"}, {"{1:", "}"}, {"not ", ""}, {"-", ""}, {"1 if ", ""}, {"x(", ")"}
        }) {
      String expression = pair[0].repeat(20_000) + "1" + pair[1].repeat(20_000);
      assertThrows(
          JinjaException.class,
          () ->
              JinjaTemplate.parse("{{ " + expression + " }}").render(VARIABLES, LocalDateTime.MIN),
          pair[0]);
    }
    String blocks = "{% if true %}".repeat(20_000) + "{% endif %}".repeat(20_000);
    assertThrows(JinjaException.class, () -> JinjaTemplate.parse(blocks));
    String elses = "{% if x %}" + "{% elif x %}".repeat(20_000) + "{% endif %}";
    assertThrows(JinjaException.class, () -> JinjaTemplate.parse(elses));
    String sum = "{{ 1" + " + 1".repeat(100_000) + " }}";
    assertThrows(
        JinjaException.class, () -> JinjaTemplate.parse(sum).render(VARIABLES, LocalDateTime.MIN));
    assertThrows(JinjaException.class, () -> JinjaTemplate.parse("x".repeat(2 << 20)));
  }

  /** Pieces of real templates in random order: an exception of ours, or a text. */
  @Test
  void randomTemplatesDoNothingElse() {
    String[] pieces = {
      "{{ ",
      " }}",
      "{% ",
      " %}",
      "{%- ",
      " -%}",
      "{# ",
      " #}",
      "for x in ",
      "messages",
      "if ",
      "endif",
      "endfor",
      "else",
      "elif ",
      "set ",
      "x",
      " = ",
      "'a'",
      "\"",
      "'",
      "1",
      ".",
      "|",
      "tojson",
      "trim",
      "[",
      "]",
      "(",
      ")",
      "{",
      "}",
      ":",
      ",",
      "==",
      "+",
      "~",
      "is ",
      "not ",
      "defined",
      "loop",
      ".index",
      "namespace",
      "macro f(x)",
      "endmacro",
      "f(1)",
      "\n",
      " ",
      "-",
      "%",
      "*",
      "**",
      "//",
      "'%s'",
      "raw",
      "endraw",
      "\\",
      "é",
      "\ud83d",
      "\u0000",
      "break",
      "generation",
      "endgeneration",
      "call ",
      "endcall",
      "filter upper",
      "endfilter",
      "recursive"
    };
    Random random = new Random(7);
    int rendered = 0;
    for (int i = 0; i < 40_000; i++) {
      StringBuilder template = new StringBuilder();
      for (int part = random.nextInt(14); part >= 0; part--) {
        template.append(pieces[random.nextInt(pieces.length)]);
      }
      try {
        JinjaTemplate.parse(template.toString()).render(VARIABLES, LocalDateTime.MIN);
        rendered++;
      } catch (JinjaException e) {
        assertTrue(e.getMessage().length() > 3, template.toString());
      } catch (RuntimeException e) {
        throw new AssertionError(template.toString(), e);
      }
    }
    assertTrue(rendered > 1000, "rendered " + rendered);
  }
}
