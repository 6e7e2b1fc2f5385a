"""Everything that is reached over HTTP as OpenAI's is: chat models, recognisers and voices of many servers."""
