"""Chat templates of the shapes in use, and small templates for each construct, as transformers renders them."""

import datetime
import json

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from . import common

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)

# Written here in the manner of the models' own: every construct that those use.
TEMPLATES = {
    "chatml": """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}""",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools_in_user_message is defined %}
    {%- set tools_in_user_message = true %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{#- System message #}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and not tools_in_user_message %}
    {{- "You have access to the following functions.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- if tools_in_user_message and not tools is none %}
    {#- Extract the first user message so we can plug it in here #}
    {%- if messages | length != 0 %}
        {%- set first_user_message = messages[0]['content']|trim %}
        {%- set messages = messages[1:] %}
    {%- else %}
        {{- raise_exception("Cannot put tools in the first user message when there's no first user message!") }}
{%- endif %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' -}}
    {{- "Given the following functions, please respond with a JSON for a function call.\\n\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
    {{- first_user_message + "<|eot_id|>"}}
{%- endif %}

{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "qwen3": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n\\nYou may call one or more functions.\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools>\\n\\n<tool_call>\\n{\\"name\\": <function-name>, \\"arguments\\": <args-json-object>}\\n</tool_call><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}

{#- This block checks for alternating user/assistant messages, skipping tool calling messages #}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}

{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
            {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '
' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
""",
    "phi3": "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}\n",
    "rag": """{%- macro type_of(schema, depth=0) -%}
    {%- if schema.type == 'object' -%}
        {{- '{' -}}
        {%- for name, value in schema.properties.items() -%}
            {{- name ~ ('' if name in schema.required | default([]) else '?') }}: {{ type_of(value, depth=depth + 1) -}}
            {%- if not loop.last %}, {% endif -%}
        {%- endfor -%}
        {{- '}' -}}
    {%- elif schema.type == 'array' -%}
        {{- type_of(schema['items'], depth + 1) + '[]' -}}
    {%- elif schema.enum -%}
        {{- schema.enum | map('tojson') | join(' | ') -}}
    {%- else -%}
        {{- schema.type | default('any') | upper -}}
    {%- endif -%}
{%- endmacro -%}
{% if documents %}
<documents>
    {% for document in documents %}
    {{ loop.index }}/{{ loop.length }}: {{ document.title | title }}
{{ document['text'] | trim | replace('\n', ' ') | indent(2, true) }}
    {% endfor %}
</documents>
{% endif %}
{% for tool in tools or [] %}
{{ tool.function.name }}({{ type_of(tool.function.parameters) }})
{% endfor %}
{% for message in messages %}
{% generation %}{{ message.role | capitalize }}: {{ message.content }}{% endgeneration %}

{% endfor %}""",
}

SYSTEM = {"role": "system", "content": " You are terse. "}
ASK = {"role": "user", "content": "  What's 2 + 2?\nThink\u2026 \u4f60\u597d \U0001f600 <b>&\"quoted\"</b>  "}
SAY = {"role": "assistant", "content": "<think>\nsmall sum\n</think>\n\nIt is 4. "}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    {"id": "abcdefghi", "type": "function", "function": {"name": "weather", "arguments": {"city": "Z\u00fcrich", "days": 3, "x": 1.5, "deep": [None, True]}}}]}
RESULT = {"role": "tool", "content": "{\"t\": 21}", "tool_call_id": "abcdefghi", "name": "weather"}
PARTS = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " Look at this. "}]}
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The \"weather\" of a city, caf\u00e9 & all", "return": "text",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"},
        "units": {"type": "string", "enum": ["C", "F"]}, "tags": {"type": "array", "items": {"type": "number"}}},
        "required": ["city"]}}}]
DOCUMENTS = [{"title": "the first one", "text": " line one\nline two "}, {"title": "o'hara (b)", "text": "x"}]

CHATS = {
    "one": dict(messages=[ASK]),
    "system": dict(messages=[SYSTEM, ASK, SAY, ASK], add_generation_prompt=True),
    "open": dict(messages=[ASK, SAY], continue_final_message=True),
    "tools": dict(messages=[ASK, CALL, RESULT, SAY, ASK], tools=TOOLS, add_generation_prompt=True),
    "parts": dict(messages=[PARTS, SAY, PARTS]),
    "documents": dict(messages=[ASK], documents=DOCUMENTS, tools=TOOLS),
    "thinking": dict(messages=[ASK], add_generation_prompt=True, enable_thinking=False),
    "wrong": dict(messages=[SAY, SAY]),
}

# Small ones: (template, or several that must fail). `messages` is [SYSTEM, ASK, SAY].
PIECES = [
    "{% for m in messages %}{{ loop.index0 }}{{ m['role'] }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for m in messages[::-1] %}{{ m.role }} {% endfor %}{{ messages[5:] }}{{ messages[-2:][0].role }}{{ 'abcdef'[1:5:2] }}{{ 'abc'[::-1] }}{{ 'abc'[-9:2] }}",
    "{{ '  x '.strip() }}|{{ 'a.b.c'.split('.') }}|{{ ' a  b c '.split() }}|{{ 'a,b,c'.rsplit(',', 1) }}|{{ 'a b  c'.split(None, 1) }}|{{ 'xxabxx'.strip('x') }}|{{ 'a-b'.partition('-') }}",
    "{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if m.role == 'user' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.n }} {{ ns.found }}",
    "{{ {'a': 1, 'b': [1, 2.5, none, true, '\u00e9<&>\\'\"\\n'], 'c': {}, 'd': []} | tojson }}{{ {'b': 1, 'a': [1, {'x': 2}]} | tojson(indent=2, sort_keys=true) }}{{ [1, 2] | tojson(separators=(',', ':')) }}{{ '\u00e9' | tojson(ensure_ascii=true) }}",
    "{% macro f(x, y='d') %}[{{ x }}{{ y }}]{% endmacro %}{{ f(1) }}{{ f(2, y=3) }}{{ f('a', 'b') }}{{ f() }}",
    "{% macro r(n) %}{{ n }}{% if n > 0 %}{{ r(n - 1) }}{% endif %}{% endmacro %}{{ r(3) }}",
    "{{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'x'] }}",
    "{% if messages[0].content is string %}s{% endif %}{% if messages is iterable and messages is not mapping %}l{% endif %}{{ x is none }}{{ none is none }}{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 1 is number }}{{ true is boolean }}{{ 'a' is eq 'a' }}{{ 2 is in [1, 2] }}",
    "{{ missing }}|{{ missing is defined }}|{{ missing is not defined }}|{{ missing | default('d') }}|{{ '' | default('e', true) }}|{{ not missing }}|{{ missing | length }}|{% for x in missing %}{% endfor %}",
    "{% for k, v in {'x': 1, 'y': 2}.items() %}{{ k }}={{ v }};{% endfor %}{{ {'a': 1}.get('b', 7) }}{{ {'a': 1}.keys() | list }}{{ {'a': 1}.values() | list }}{{ 'a' in {'a': 1} }}",
    "{{ 'hello wORLD o\\'neil'.title() }} {{ 'hello wORLD o\\'neil' | title }} {{ 'x'.upper() }} {{ 'ab'.startswith('a') }} {{ 'ab'.endswith(('b','c')) }} {{ 'aXbX'.replace('X','-', 1) }} {{ 'abC'.capitalize() }}",
    "{{ messages | map(attribute='role') | join(', ') }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('role', 'in', ['user']) | map(attribute='role') | list }} {{ ['a', '', none] | select | list }} {{ [1, 2, 3] | reject('odd') | list }}",
    "{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 2 ** 3 }} {{ -7 // 2 }} {{ 1.0 }} {{ 1e3 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ -3 | abs }} {{ 3.7 | int }} {{ '12' | int + 1 }} {{ 2.5 | round }} {{ 1_000 }}",
    "{% for m in messages if m.role != 'user' %}{{ loop.index }}{{ m.role }}{% else %}none{% endfor %}{% for m in [] %}x{% else %}none{% endfor %}",
    "  {%- if true %}\n  yes\n  {%- endif %}\n\n  end",
    "    {% if true %}\nyes\n    {% endif %}\nend\n",
    "a\n  {%+ if true %}\nb\n  {% endif +%}\nc {{ 1 -}}  d  {{- 2 }}\n\n",
    "x {# comment #} y\n  {# whole line #}\nz {#- strips -#} w",
    "{{ 'yes' if messages else 'no' }}{{ 'x' if false }}|{{ (1 if false else 2) if true else 3 }}",
    "{% set x = 1 %}{% for i in range(3) %}{{ x }}{% set x = i %}{% endfor %}{{ x }}{% if true %}{% set x = 5 %}{% endif %}{{ x }}",
    "{{ [1, 2] + [3] }} {{ (1, 2) }} {{ (1,) }} {{ {'a': 'b'} }} {{ true }} {{ none }} {{ 'it\\'s' }} {{ [\"it's\", 'a\\n\\tb', '\u00e9\\u200b'] }}",
    "{{ 'a' 'b' }}{{ \"d\\\"q\" }}{{ '\\x41\\u00e9\\\\ \\q' }}",
    "{{ messages[0]['nope'] is defined }} {{ messages[0].get('nope', 'dflt') }} {{ 'role' in messages[0] }} {{ 'x' not in 'abc' }} {{ messages[0].nope }}{{ messages[9] is defined }}{{ messages[0]['content'][3] }}",
    "{% set content %}A{{ 1 }}B{% endset %}{{ content }}{% set up | upper %}abc{% endset %}{{ up }}",
    "{{ tools | default([]) }} {{ '' or 'x' }} {{ 0 and 1 }} {{ none or [] }} {{ not (1 and 0) }} {{ 1 and 2 }}",
    "{%- for m in messages -%}\n{{- m.role -}}\n{%- endfor -%}",
    "{{ '  q ' | trim }} {{ [3,1,2] | sort | first }} {{ ['b','A'] | sort }} {{ [3,1] | sort(reverse=true) }} {{ {'b':1,'a':2} | dictsort }} {{ [1,1,2] | unique | list }} {{ [1,2] | sum }} {{ [4,2] | min }} {{ messages | last | length }} {{ 'abc' | list }} {{ 'abc' | reverse }}",
    "{% for m in messages %}{% if loop.index == 2 %}{% continue %}{% endif %}{{ m.role }}{% if loop.index0 == 2 %}{% break %}{% endif %}{% endfor %}",
    "{% generation %}x{{ 1 }}{% endgeneration %}\ny",
    "{% filter upper %}abc{{ 'd' }}{% endfilter %}{% call(x) f2() %}{{ x }}!{% endcall %}{% macro f2() %}{{ caller(1) }}{% endmacro %}",
    "{% macro f2(a) %}<{{ a }}{{ caller(2) }}>{% endmacro %}{% call(x) f2('q') %}{{ x }}!{% endcall %}",
    "{{ '%s-%d|%5s|%.2f|%%' % ('a', 3, 'r', 1.5) }} {{ 'a {} {} {x}'.format(1, 2, x=3) }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '%s' | format('z') }}",
    "{% raw %}{{ x }} {% if %}{% endraw %} {{ \"{{\" }} {{ '}}' }} {{ {'a': {'b': 1}}['a']['b'] }}",
    "{% for a in [[1, 2], [3, 4]] %}{{ a[0] + a[1] }}{{ loop.previtem }}{{ loop.nextitem[0] if loop.nextitem is defined }}{{ loop.revindex }}{{ loop.cycle('x', 'y') }}{{ loop.changed(1) }}{% endfor %}",
    "{% for item in [1, [2, [3]]] recursive %}{{ loop.depth }}{% if item is iterable %}{{ loop(item) }}{% else %}={{ item }} {% endif %}{% endfor %}",
    "{{ 1 == 1.0 }} {{ '1' == 1 }} {{ 1 < 2 < 3 }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1.0} }} {{ none == false }} {{ 'a' < 'b' }} {{ (1, 2) < (1, 3) }} {{ true + 1 }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set d = dict(x=1) %}{{ d.x }}{% with q = 3, z = a %}{{ q }}{{ z }}{% endwith %}{{ q is defined }}",
    "{{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %d %b %a %I %p %j %y %%') }}",
    "{{ 'h\u00e9llo <b>' | e }} {{ '<' | safe }} {{ [1,[2]] | string }} {{ messages|reverse|list|length }} {{ 'a b c' | wordcount }} {{ 'a\nb\n\nc' | indent }} {{ 'x' * 3 }} {{ [0] * 2 }}",
    "{{ '\U0001f600a'[0] }}{{ '\U0001f600a' | length }}{{ '\U0001f600a'[1:] }}{{ '\U0001f600a'.find('a') }}{{ 'abcabc'.rfind('b') }}{{ 'aXa'.count('a') }}{{ '42'.isdigit() }}{{ ''.isalpha() }}{{ 'x\ny\r\nz'.splitlines() }}{{ '7'.zfill(3) }}",
    "{{ 'prefix-x'.removeprefix('prefix-') }}{{ ', '.join(['a', 'b']) }}{{ messages[0].role.upper().lower() }}{{ (messages | first).role }}{{ messages[0] | items | list }}",
    "{% if a is defined and a.b %}1{% elif not a is defined %}2{% else %}3{% endif %}{{ range(5) | list }}{{ range(1, 6, 2) | list }}{{ range(3, 0, -1) | list }}",
    "{{ - 3 }}{{ +3 }}{{ 2 - -1 }}{{ 2 ** 3 ** 2 }}{{ not true == false }}{{ 1 if 1 else 2 | string }}{{ 'a' if x is not defined else 'b' }}{{ 3 > 2 and 2 > 1 or false }}",
    "{{ raise_exception('no: ' ~ 1) }}",
    "{{ missing.attr }}",
    "{{ missing + 'x' }}",
    "{{ 'a' + 1 }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].__class__ }}|{{ ''.__class__.__mro__ }}",
    "{% for x in 3 %}{% endfor %}",
    "{{ messages | nofilter }}",
    "{% nosuchtag %}",
    "{% if true %}",
    "{{ 1 +",
    "{{ 'abc }}",
    "{{ 1 // 0 }}",
]


class Frozen(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def tokenizer():
    words = ["<s>", "</s>", "<unk>"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def render(tokenizer, template, chat):
    try:
        return {"text": tokenizer.apply_chat_template(
            chat["messages"], chat_template=template, tokenize=False,
            **{key: value for key, value in chat.items() if key != "messages"})}
    except Exception as e:
        return {"error": type(e).__name__, "message": str(e)}


def write(folder):
    folder.mkdir(parents=True)
    chat_template_utils.datetime = Frozen
    made = tokenizer()
    rendered = {name: {key: render(made, template, chat) for key, chat in CHATS.items()}
                for name, template in TEMPLATES.items()}
    pieces = [{"template": piece, **render(made, piece, dict(messages=[SYSTEM, ASK, SAY]))} for piece in PIECES]
    common.write_json(folder / "expected.json", {
        "versions": common.versions(), "now": NOW.isoformat(), "chats": CHATS, "templates": TEMPLATES,
        "rendered": rendered, "pieces": pieces})
    # A folder as transformers saves it, one template and several.
    made.chat_template = TEMPLATES["chatml"]
    made.save_pretrained(str(folder / "saved"))
    made.chat_template = {"default": TEMPLATES["chatml"], "tool_use": TEMPLATES["llama3"], "rag": TEMPLATES["rag"]}
    made.save_pretrained(str(folder / "several"))


SECTIONS = {"chat_templates": write}
