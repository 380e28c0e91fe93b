// story file to come
